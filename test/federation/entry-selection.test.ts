// Which entries does a selector choose?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { matchesPattern, selectsEntry } from '../../src/federation/entry-selection.ts';
import { linksAfter } from '../../src/federation/entry-links.ts';
import type { EntrySelector } from '../../src/federation/relationship.ts';
import { entryOf, NORTH, WEST } from './samples.ts';

describe('matchesPattern', () => {
  const rows: readonly (readonly [string, string, boolean])[] = [
    ['spiffe://e/a', 'spiffe://e/a', true],
    ['spiffe://e/a', 'spiffe://e/a/b', false],
    ['spiffe://e/a', 'spiffe://e/ab', false],
    ['spiffe://e/*', 'spiffe://e/a', true],
    ['spiffe://e/*', 'spiffe://e/a/b', false],
    ['spiffe://e/*', 'spiffe://e', false],
    ['spiffe://e/*/b', 'spiffe://e/a/b', true],
    ['spiffe://e/*/b', 'spiffe://e/b', false],
    ['spiffe://e/**', 'spiffe://e/a/b/c', true],
    ['spiffe://e/**', 'spiffe://e', true],
    ['spiffe://e/**', 'spiffe://ea/b', false],
    ['spiffe://e/**/z', 'spiffe://e/z', true],
    ['spiffe://e/**/z', 'spiffe://e/a/b/z', true],
    ['spiffe://e/**/z', 'spiffe://e/a/b', false],
    ['spiffe://e/**/b/**', 'spiffe://e/a/b/c', true],
    ['spiffe://e/**/b/**', 'spiffe://e/a/c', false],
    ['spiffe://e/ns/*/sa/*', 'spiffe://e/ns/x/sa/y', true],
  ];
  for (const [pattern, id, expected] of rows) {
    it(`"${pattern}" ${expected ? 'matches' : 'does not match'} ${id}`, () => {
      assert.equal(matchesPattern(pattern, id), expected);
    });
  }

  it('agrees with the same pattern as a regular expression', () => {
    const segment = fc.constantFrom('a', 'b', 'c');
    const part = fc.constantFrom('a', 'b', '*', '**');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), fc.array(segment, { maxLength: 6 }), (parts, segments) => {
        const expression = parts
          .map((each) => (each === '**' ? '(/[^/]+)*' : each === '*' ? '/[^/]+' : `/${each}`))
          .join('');
        const pattern = ['spiffe://e', ...parts].join('/');
        const id = ['spiffe://e', ...segments].join('/');
        assert.equal(matchesPattern(pattern, id), new RegExp(`^spiffe://e${expression}$`).test(id));
      }),
    );
  });

  it('takes no time over a pattern of many stars', () => {
    assert.equal(matchesPattern(`spiffe://e/${'**/'.repeat(60)}z`, `spiffe://e/${'a/'.repeat(200)}y`), false);
  });
});

describe('selectsEntry', () => {
  const none: EntrySelector = {
    spiffeIdPattern: undefined,
    parentIdPattern: undefined,
    selectors: [],
    hint: undefined,
  };
  const entry = {
    ...entryOf('/api'),
    hint: 'internal',
    selectors: [
      { type: 'unix', value: 'uid:0' },
      { type: 'k8s', value: 'ns:pay' },
    ],
  };
  const rows: readonly (readonly [string, Partial<EntrySelector>, boolean])[] = [
    ['its SPIFFE ID', { spiffeIdPattern: 'spiffe://east.example/*' }, true],
    ['another SPIFFE ID', { spiffeIdPattern: 'spiffe://east.example/x' }, false],
    ['its parent', { parentIdPattern: 'spiffe://east.example/node' }, true],
    ['another parent', { parentIdPattern: 'spiffe://east.example/other' }, false],
    ['one of its selectors', { selectors: [{ type: 'k8s', value: 'ns:pay' }] }, true],
    [
      'a selector it has beside one it has not',
      {
        selectors: [
          { type: 'k8s', value: 'ns:pay' },
          { type: 'k8s', value: 'sa:x' },
        ],
      },
      false,
    ],
    ['its hint', { hint: 'internal' }, true],
    ['another hint', { hint: 'external' }, false],
    ['all criteria', { hint: 'internal', spiffeIdPattern: 'spiffe://east.example/api' }, true],
    ['only some criteria', { hint: 'internal', spiffeIdPattern: 'spiffe://east.example/x' }, false],
  ];
  for (const [what, selector, expected] of rows) {
    it(`${expected ? 'chooses' : 'does not choose'} an entry by ${what}`, () => {
      assert.equal(selectsEntry([{ ...none, ...selector }], entry), expected);
    });
  }

  it('chooses by any of several selectors, and nothing by none', () => {
    assert.equal(
      selectsEntry(
        [
          { ...none, hint: 'x' },
          { ...none, hint: 'internal' },
        ],
        entry,
      ),
      true,
    );
    assert.equal(selectsEntry([], entry), false);
  });
});

describe('linksAfter', () => {
  const change = { entry: entryOf('/api', [NORTH]), add: [WEST], remove: [NORTH] };
  it('is the whole new set, sorted', () => {
    assert.deepEqual(linksAfter(change, new Set()), [WEST]);
    assert.deepEqual(linksAfter({ ...change, remove: [] }, new Set()), [NORTH, WEST]);
  });
  it('leaves out what failed, both ways', () => {
    assert.deepEqual(linksAfter(change, new Set([WEST])), []);
    assert.deepEqual(linksAfter(change, new Set([NORTH])), [NORTH, WEST]);
  });
});
