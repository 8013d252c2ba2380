// Is a root missed exactly when a peer has told of a version of our bundle without it?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isRootMissed, newestAcknowledgements, type Acknowledgement } from '../../src/federation/acknowledgement.ts';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import { NORTH, NOW, WEST } from './samples.ts';

function told(trustDomain: TrustDomain, roots: readonly string[] | undefined, afterSeconds = 0): Acknowledgement {
  const at = new Date(NOW.getTime() + afterSeconds * 1000);
  if (roots === undefined) return { trustDomain, at, holds: undefined };
  const version = { etag: '"x"', digest: 'x', sequenceNumber: 7n, x509Authorities: roots, jwtKeyIds: [] };
  return { trustDomain, at, holds: { ...version, servedSince: NOW } };
}

describe('a root of ours', () => {
  for (const [sentence, acknowledgements, missed] of [
    ['nobody has told of anything', [], false],
    ['every peer holds it', [told(WEST, ['a', 'b']), told(NORTH, ['b'])], false],
    ['one peer holds a version without it', [told(WEST, ['a']), told(NORTH, ['a', 'b'])], true],
    ['a peer has told of no version that is known here', [told(WEST, undefined)], false],
  ] as const) {
    it(`is ${missed ? '' : 'not '}missed when ${sentence}`, () => {
      assert.equal(isRootMissed('b', acknowledgements), missed);
    });
  }

  it('is judged by the newest word of each peer, whichever replica heard it', () => {
    const all = [told(WEST, ['a', 'b'], 2), told(WEST, ['a'], 1), told(NORTH, ['a'], 1), told(NORTH, ['b'], 3)];
    const newest = newestAcknowledgements(all);
    assert.equal(newest.length, 2);
    assert.equal(isRootMissed('b', newest), false);
  });
});
