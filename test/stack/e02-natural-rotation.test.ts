// E2: do workloads meet without a single failure while both trust domains rotate their roots every half minute?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { startFederatedPair, type FederatedSide } from './harness/federated-pair.ts';
import type { SpireAgent } from './harness/spire-agent.ts';
import { openApi, storedRoots } from './harness/stored-roots.ts';
import { mutualHandshake } from './harness/verify-svid.ts';
import type { X509Context } from './harness/x509-context.ts';

const DURATION_MS = 6 * 60_000;
const SAMPLE_EVERY_MS = 1_000;
/** With ca_ttl 1m SPIRE makes a root every 30 s and signs with it 20 s after it was published. */
const MIN_ROOTS = 8;
const MAX_RESTARTS = 2;
/** Lines of an agent's log. */
const LAST_WORDS = 30;
const MISSED_RENEWAL = /failed re-attestation|SVID has already expired/;

describe('E2: ca_ttl of one minute on both sides, for six minutes', () => {
  const cleanup = new Cleanup();
  let east: FederatedSide;
  let west: FederatedSide;

  before(async () => {
    [east, west] = await startFederatedPair(cleanup, ['east.test', 'west.test'], {
      server: { caTtl: '1m', x509SvidTtl: '10m' },
      flags: { 'refresh-hint-seconds': 10 },
    });
    await Promise.all([
      east.agent.waitForX509(({ federatedRoots }) => federatedRoots.has('west.test')),
      west.agent.waitForX509(({ federatedRoots }) => federatedRoots.has('east.test')),
    ]);
  });
  after(() => cleanup.run());

  it('fails no handshake, sampled every second, and brings every root to the other side', async (context) => {
    const [eastApi, westApi] = [openApi(cleanup, east.server), openApi(cleanup, west.server)];
    const seen = { east: new Set<string>(), west: new Set<string>() };
    const failures: string[] = [];
    const restarts: string[] = [];
    let samples = 0;
    let outOfTime = 0;
    const endMs = performance.now() + DURATION_MS;
    while (performance.now() < endMs) {
      const startMs = performance.now();
      const [atEast, atWest] = await Promise.all([
        contextOf(east.agent, 'west.test', restarts),
        contextOf(west.agent, 'east.test', restarts),
      ]);
      if ([atEast, atWest].every(isInTime)) {
        const verdicts = await mutualHandshake(
          { svid: atEast.svid, roots: atEast.federatedRoots.get('west.test') ?? [] },
          { svid: atWest.svid, roots: atWest.federatedRoots.get('east.test') ?? [] },
        );
        samples += 1;
        for (const side of ['client', 'server'] as const) {
          const verdict = verdicts[side];
          if (!verdict.ok) failures.push(`sample ${samples}, ${side}: ${verdict.reason}`);
        }
      } else outOfTime += 1;
      for (const root of (await storedRoots(westApi, 'east.test')) ?? []) seen.east.add(root);
      for (const root of (await storedRoots(eastApi, 'west.test')) ?? []) seen.west.add(root);
      await pause(Math.max(0, SAMPLE_EVERY_MS - (performance.now() - startMs)));
    }
    context.diagnostic(`${samples} samples, ${failures.length} failed, roots ${seen.east.size} and ${seen.west.size}`);
    for (const restart of restarts) context.diagnostic(restart);
    if (outOfTime > 0) context.diagnostic(`${outOfTime} times an agent handed out an SVID that had ended`);
    assert.deepEqual(failures, []);
    assert.ok(samples > DURATION_MS / SAMPLE_EVERY_MS / 2);
    assert.ok(seen.east.size >= MIN_ROOTS && seen.west.size >= MIN_ROOTS);
  });
});

/** An agent that was given no processor hands out what has ended: nobody could take that, federated or not. */
function isInTime({ svid }: X509Context): boolean {
  return svid.chain.every(({ validTo }) => Date.parse(validTo) > Date.now());
}

/**
 * What a workload gets at this moment. Here an agent's own SVID and the roots it knows live for some half a minute at
 * the most: on a machine that stands still for that long the agent ends. That is between SPIRE and the machine, whatever
 * is federated, so it is started again, as a supervisor would do; any other end fails the test.
 */
async function contextOf(agent: SpireAgent, peer: string, restarts: string[]): Promise<X509Context> {
  const answer = await eventually(
    `${agent.spiffeId} answers`,
    async () => (agent.hasEnded() ? 'Ended' : agent.fetchX509()),
    { timeoutMs: 60_000 },
  );
  if (answer !== 'Ended') return answer;
  const lastWords = agent.log().trimEnd().split('\n').slice(-LAST_WORDS).join('\n');
  assert.match(lastWords, MISSED_RENEWAL);
  restarts.push(`${agent.spiffeId} missed the renewal of its own SVID and was started again`);
  assert.ok(restarts.length <= MAX_RESTARTS, restarts.join('\n'));
  await agent.restart();
  return agent.waitForX509(({ federatedRoots }) => federatedRoots.has(peer));
}
