// Does one refresh that SPIRE does not answer keep other peers from being looked at?
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { FactBoard } from '../../src/broker/fact-board.ts';
import { PollerProbe } from '../../src/broker/probe-pollers.ts';
import { known } from '../../src/federation/facts.ts';
import type { SpireServer } from '../../src/federation/ports.ts';
import { FakeClock } from '../fakes/fake-clock.ts';
import { NORTH, NOW, peerOf, WEST } from '../federation/samples.ts';

it('learns of a peer although SPIRE answers nothing about the one before it', async () => {
  const clock = new FakeClock(NOW);
  const board = new FactBoard(clock, { changed: () => undefined, bundleReplaced: () => undefined });
  const never = () => false;
  board.replace('declared', known({ peers: [peerOf(WEST), peerOf(NORTH)], incompleteBecause: undefined }, NOW), never);
  board.replace('relationships', known(new Map(), NOW), never);
  let answerWest: () => void = () => undefined;
  const refreshBundle: SpireServer['refreshBundle'] = (trustDomain) =>
    trustDomain === NORTH
      ? Promise.resolve('NotManaged')
      : new Promise((resolve) => {
          answerWest = () => {
            resolve('Refreshed');
          };
        });
  const tick = new PollerProbe({ refreshBundle } as SpireServer, board, clock).tick(new AbortController().signal);
  await Promise.resolve();
  await Promise.resolve();
  assert.deepEqual([...board.snapshot().staticPollers], [[NORTH, 'Absent']]);
  answerWest();
  await tick;
  assert.equal(board.snapshot().staticPollers.get(WEST), 'Present');
});
