// E3: how soon is a prepared root in the peer's SPIRE, through the brokers and through SPIRE's own poller?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { startFederatedPair } from './harness/federated-pair.ts';
import { startSpirePair } from './harness/spire-pair.ts';
import type { SpireServer } from './harness/spire-server.ts';
import { openApi, storedRoots } from './harness/stored-roots.ts';

const BROKER_SAMPLES = 20;
/** Each takes SPIRE's poller up to 15 s at its shortest interval. */
const POLLER_SAMPLES = 8;

/** Milliseconds from the answer of `prepare` until the peer's SPIRE holds the new root, for each sample. */
async function measure(
  cleanup: Cleanup,
  [from, to]: readonly [SpireServer, SpireServer],
  { samples, intervalMs }: { readonly samples: number; readonly intervalMs: number },
): Promise<number[]> {
  const [publisher, consumer] = [openApi(cleanup, from), openApi(cleanup, to)];
  const durations: number[] = [];
  for (let sample = 0; sample < samples; sample++) {
    // At any moment of the poller's interval, not just after its last turn.
    await pause(Math.random() * intervalMs);
    const before = (await storedRoots(consumer, from.trustDomain))?.length ?? 0;
    await publisher.localAuthorities.x509.prepare();
    const startMs = performance.now();
    await eventually(
      'the peer holds the new root',
      async () => ((await storedRoots(consumer, from.trustDomain))?.length ?? 0) > before,
      { intervalMs: 5, timeoutMs: 90_000 },
    );
    durations.push(performance.now() - startMs);
  }
  return durations;
}

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
        measure(cleanup, [east.server, west.server], { samples: BROKER_SAMPLES, intervalMs: 400 }),
      ),
      startSpirePair(cleanup, ['north.test', 'south.test']).then((pair) =>
        measure(cleanup, pair, { samples: POLLER_SAMPLES, intervalMs: 15_000 }),
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
