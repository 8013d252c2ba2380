// Is a page read again when it changed, and only then?
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { rememberPages } from '../../src/spire/remember-pages.ts';

describe('remembered pages', () => {
  let readTexts: string[];
  let readPage: (pageToken: string, text: string) => readonly object[];
  beforeEach(() => {
    readTexts = [];
    const remembered = rememberPages<{ readonly text: string }>();
    readPage = (pageToken, text) => {
      const read = () => {
        readTexts.push(text);
        return { items: [{ text }], nextPageToken: '' };
      };
      return remembered(pageToken, Buffer.from(text), read).items;
    };
  });

  it('gives the same values for the same bytes, listing after listing', () => {
    const first = [readPage('', 'a'), readPage('1', 'b')];
    for (let listing = 0; listing < 3; listing++) {
      assert.equal(readPage('', 'a'), first[0]);
      assert.equal(readPage('1', 'b'), first[1]);
    }
    assert.deepEqual(readTexts, ['a', 'b']);
  });

  it('reads a page whose bytes changed, and no other', () => {
    for (const text of ['b', 'B']) {
      readPage('', 'a');
      assert.deepEqual(readPage('1', text), [{ text }]);
    }
    assert.deepEqual(readTexts, ['a', 'b', 'B']);
  });

  it('does not take one page for another that has the same bytes', () => {
    assert.notEqual(readPage('', 'a'), readPage('1', 'a'));
  });

  it('forgets a page that was not in the last listing', () => {
    readPage('', 'a');
    readPage('1', 'b');
    readPage('', 'a');
    readPage('', 'a');
    readPage('1', 'b');
    assert.deepEqual(readTexts, ['a', 'b', 'b']);
  });

  it('reads a page anew whose reading failed', () => {
    const remembered = rememberPages<never>();
    const fail = () => {
      throw new Error('broken');
    };
    for (let time = 0; time < 2; time++) {
      assert.throws(() => remembered('', Buffer.from('a'), fail), /broken/);
    }
  });
});
