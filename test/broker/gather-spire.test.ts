// Is what SPIRE holds read so that the newest answer counts, in whatever order answers come?
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Exclusive } from '../../src/broker/exclusive.ts';
import { FactBoard } from '../../src/broker/fact-board.ts';
import { SpireGatherer } from '../../src/broker/gather-spire.ts';
import type { SpireServer } from '../../src/federation/ports.ts';
import { FakeClock } from '../fakes/fake-clock.ts';
import { bundleOf, EAST } from '../federation/samples.ts';

it('publishes the newest own bundle, also when the first of two overlapping reads is answered last', async () => {
  const clock = new FakeClock();
  const board = new FactBoard(clock, { changed: () => undefined, bundleReplaced: () => undefined });
  let sequenceNumber = 1n;
  const asked: (() => void)[] = [];
  const spire: Partial<SpireServer> = {
    readOwnSequenceNumber: () =>
      new Promise((resolve) =>
        asked.push(() => {
          resolve(sequenceNumber);
        }),
      ),
    readOwnBundle: () => Promise.resolve(bundleOf(EAST, sequenceNumber === 1n ? [0] : [0, 1], { sequenceNumber })),
  };
  const gatherer = new SpireGatherer(spire as SpireServer, board, clock, new Exclusive());
  const { signal } = new AbortController();
  const answerLastFirst = async (reads: readonly Promise<void>[]) => {
    let ended = false;
    void Promise.all(reads).then(() => (ended = true));
    for (let turns = 0; turns < 20; turns++) {
      asked.pop()?.();
      await turn();
    }
    assert.ok(ended);
  };
  await answerLastFirst([gatherer.readOwnBundle(signal)]);
  sequenceNumber = 2n;
  await answerLastFirst([gatherer.readOwnBundle(signal), gatherer.readOwnBundle(signal)]);
  const fact = board.fact('ownBundle');
  assert.equal(fact.state === 'Known' ? fact.value.sequenceNumber : undefined, 2n);
});
