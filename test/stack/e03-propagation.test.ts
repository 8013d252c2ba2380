// E3: how soon is a prepared root in the peer's SPIRE, through the brokers and through SPIRE's own poller?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Cleanup } from './harness/cleanup.ts';
import { startFederatedPair } from './harness/federated-pair.ts';
import { sampleRotations } from './harness/rotation-samples.ts';
import { startSpirePair } from './harness/spire-pair.ts';

const BROKER_SAMPLES = 20;
/** Each takes SPIRE's poller up to 15 s at its shortest interval. */
const POLLER_SAMPLES = 8;

function summary(durations: readonly number[]): { readonly p50: number; readonly max: number; readonly text: string } {
  const sorted = durations.toSorted((a, b) => a - b);
  const [p50, max] = [sorted[Math.floor(sorted.length / 2)]!, sorted.at(-1)!];
  return { p50, max, text: `n ${sorted.length}, p50 ${p50.toFixed(0)} ms, max ${max.toFixed(0)} ms` };
}

describe('E3: from prepare to the peer’s SPIRE', () => {
  const cleanup = new Cleanup();
  let brokers: readonly number[];
  let poller: readonly number[];

  before(async () => {
    [brokers, poller] = await Promise.all([
      startFederatedPair(cleanup, ['east.test', 'west.test']).then(([east, west]) =>
        sampleRotations(cleanup, [east.server, west.server], { samples: BROKER_SAMPLES, intervalMs: 400 }),
      ),
      startSpirePair(cleanup, ['north.test', 'south.test']).then((pair) =>
        sampleRotations(cleanup, pair, { samples: POLLER_SAMPLES, intervalMs: 15_000 }),
      ),
    ]);
  });
  after(() => cleanup.run());

  it('is faster through the brokers than through SPIRE’s own poller, at the middle and at the worst', (context) => {
    const [ours, theirs] = [summary(brokers), summary(poller)];
    context.diagnostic(`brokers: ${ours.text}`);
    context.diagnostic(`SPIRE's own poller, hint 60 s: ${theirs.text}`);
    assert.ok(ours.p50 < theirs.p50);
    assert.ok(ours.max < theirs.max);
  });
});
