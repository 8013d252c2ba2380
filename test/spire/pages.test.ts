// Does reading a list end, and with everything that is in it?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readAllPages } from '../../src/spire/pages.ts';
import { spireError } from '../contract/contract-subject.ts';

describe('pages', () => {
  it('reads on after an empty page that carries a token', async () => {
    const pages: Readonly<Record<string, { items: number[]; nextPageToken: string }>> = {
      '': { items: [1, 2], nextPageToken: 'a' },
      a: { items: [], nextPageToken: 'b' },
      b: { items: [3], nextPageToken: 'c' },
      c: { items: [], nextPageToken: '' },
    };
    const items = await readAllPages('List', (token) => Promise.resolve(pages[token]!));
    assert.deepEqual(items, [1, 2, 3]);
  });

  it('refuses a token that leads to itself', async () => {
    const stuck = () => Promise.resolve({ items: [1], nextPageToken: 'a' });
    await assert.rejects(readAllPages('List', stuck), spireError('SpireAnswerInvalid', 'token "a" leads to itself'));
  });

  it('ends although the server never does', async () => {
    let page = 0;
    const endless = () => Promise.resolve({ items: [], nextPageToken: String((page += 1)) });
    await assert.rejects(readAllPages('List', endless), spireError('SpireAnswerInvalid', 'pages'));
  });
});
