// Is a second writer found, and none where all writes were ours?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FactBoard } from '../../src/broker/fact-board.ts';
import { Overwrites } from '../../src/broker/overwrites.ts';
import { known } from '../../src/federation/facts.ts';
import { FakeClock } from '../fakes/fake-clock.ts';
import { bundleOf, NORTH, peerOf, relationshipOf, WEST } from '../federation/samples.ts';

describe('overwrites', () => {
  it('are those of a second writer from the third within ten minutes', () => {
    const clock = new FakeClock();
    const overwrites = new Overwrites(clock);
    for (const minutes of [6, 6]) {
      overwrites.noteReplaced(WEST);
      clock.advance(minutes * 60_000);
    }
    overwrites.noteReplaced(WEST);
    assert.equal(overwrites.trustDomains().has(WEST), false);
    overwrites.noteReplaced(WEST);
    assert.equal(overwrites.trustDomains().has(WEST), true);
  });

  it('can be our own: what we asked for without an answer is there, or is gone', () => {
    const overwrites = new Overwrites(new FakeClock());
    overwrites.noteUnanswered(WEST, bundleOf(WEST));
    overwrites.noteUnanswered(NORTH, undefined);
    assert.equal(overwrites.isOurs(WEST, bundleOf(WEST)), true);
    assert.equal(overwrites.isOurs(WEST, bundleOf(WEST, [0, 1])), false);
    assert.equal(overwrites.isOurs(WEST, undefined), false);
    assert.equal(overwrites.isOurs(NORTH, undefined), true);
    assert.equal(overwrites.isOurs(NORTH, bundleOf(NORTH)), false);
  });

  it('are not our own when we asked for that long ago', () => {
    const clock = new FakeClock();
    const overwrites = new Overwrites(clock);
    overwrites.noteUnanswered(WEST, bundleOf(WEST));
    clock.advance(10 * 60_000);
    assert.equal(overwrites.isOurs(WEST, bundleOf(WEST)), false);
  });

  it('are none while SPIRE itself fetches the bundle: whose mode is changed afterwards is no Conflict', () => {
    for (const isPolled of [true, false]) {
      const clock = new FakeClock();
      const board = new FactBoard(clock, { changed: () => undefined, bundleReplaced: () => undefined });
      const relationships = new Map(isPolled ? [[WEST, relationshipOf(peerOf(WEST))]] : []);
      board.replace('relationships', known(relationships, clock.now()), () => false);
      for (const roots of [[0], [0, 1], [1], [1, 2]]) {
        board.replaceStored(known(new Map([[WEST, bundleOf(WEST, roots)]]), clock.now()));
      }
      assert.equal(board.snapshot().overwritten.has(WEST), !isPolled);
    }
  });
});
