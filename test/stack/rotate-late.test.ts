// How late may a peer be when SPIRE's own clock rotates? Late by a part of the time from prepare to activate, it never
// matters; what happens later than that is in rotate.test.ts. (SPIRE 1.15.3)
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { parseSpiffeId } from '../../src/bundle/spiffe-id.ts';
import { requestSvid } from '../../src/bundle-endpoint/svid-request.ts';
import type { SpireServerClient } from '../../src/spire/spire-server.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { federateSides, startSide, type FederatedSide } from './harness/federated-pair.ts';
import { openApi, storedRoots } from './harness/stored-roots.ts';
import { mutualHandshake } from './harness/verify-svid.ts';
import { pemOf, type X509Svid } from './harness/x509-context.ts';

const FLAGS = { 'refresh-hint-seconds': 5, 'long-poll-seconds': 5 };
/** SPIRE prepares after half of it and activates after five sixths, each at its next look, of which it has one in 10 s. */
const CA_TTL = '90s';
const MEET_EVERY_MS = 250;
/** Handshakes with SVIDs of the authority that SPIRE has activated. */
const SIGNED_BY_THE_NEXT_MS = 5_000;

/** How late each consumer is: its broker stands still from before the authority is prepared for this part of the window. */
const LATE = [
  { trustDomain: 'west.test', part: 0.2 },
  { trustDomain: 'south.test', part: 0.5 },
] as const;

interface Refusal {
  readonly trustDomain: string;
  readonly atMs: number;
  readonly reason: string;
}

interface Meetings {
  /** By trust domain of the consumer. */
  readonly handshakes: ReadonlyMap<string, number>;
  readonly refusals: readonly Refusal[];
}

/** As a workload has that starts now: nothing hides which authority signs. */
async function newSvid(api: SpireServerClient, spiffeId: string): Promise<X509Svid> {
  const { csr, keyPem } = await requestSvid(parseSpiffeId(spiffeId));
  const chain = (await api.mintX509Svid(csr, 60)).chain.map((der) => new X509Certificate(der));
  return { spiffeId, chain, chainPem: pemOf(chain), privateKeyPem: keyPem };
}

/** A new workload of the publisher and the workload of this consumer; the reasons of both sides to refuse. */
async function meet(publisher: FederatedSide, api: SpireServerClient, consumer: FederatedSide): Promise<string[]> {
  const [svid, atPublisher] = await Promise.all([
    newSvid(api, `spiffe://${publisher.trustDomain}/workload`),
    publisher.agent.fetchX509(),
  ]);
  const atConsumer = await consumer.agent.fetchX509();
  const { client, server } = await mutualHandshake(
    { svid, roots: atPublisher.federatedRoots.get(consumer.trustDomain) ?? [] },
    { svid: atConsumer.svid, roots: atConsumer.federatedRoots.get(publisher.trustDomain) ?? [] },
  );
  return [client, server].flatMap((verdict) => (verdict.ok ? [] : [verdict.reason]));
}

async function keepMeeting(
  publisher: FederatedSide,
  api: SpireServerClient,
  consumers: readonly FederatedSide[],
  signal: AbortSignal,
): Promise<Meetings> {
  const handshakes = new Map<string, number>();
  const refusals: Refusal[] = [];
  while (!signal.aborted) {
    await Promise.all(
      consumers.map(async (consumer) => {
        const { trustDomain } = consumer;
        const reasons = await meet(publisher, api, consumer);
        handshakes.set(trustDomain, (handshakes.get(trustDomain) ?? 0) + 1);
        refusals.push(...reasons.map((reason) => ({ trustDomain, atMs: performance.now(), reason })));
      }),
    );
    await pause(MEET_EVERY_MS);
  }
  return { handshakes, refusals };
}

describe('a rotation by SPIRE’s clock, and two peers that are late', () => {
  const cleanup = new Cleanup();
  let east: FederatedSide;
  let consumers: readonly FederatedSide[];
  let api: SpireServerClient;
  before(async () => {
    const agent = { syncSeconds: 1 };
    consumers = await Promise.all(
      LATE.map(({ trustDomain }) => startSide(cleanup, trustDomain, { agent, flags: FLAGS })),
    );
    // Last: its clock runs from its start.
    east = await startSide(cleanup, 'east.test', { server: { caTtl: CA_TTL }, agent, flags: FLAGS });
    api = openApi(cleanup, east.server);
    await Promise.all(consumers.map((consumer) => federateSides(east, consumer)));
    await eventually('the workloads meet', async () => {
      const reasons = await Promise.all(consumers.map((consumer) => meet(east, api, consumer)));
      return reasons.flat().length === 0;
    });
    await eventually('all have told what they hold', async () => {
      const { stdout } = await east.broker.cli(['rotation', 'status']);
      return stdout.includes('held by 2 of 2 peers');
    });
  });
  after(() => cleanup.run());

  it('fails no handshake while they are late within its window', { timeout: 120_000 }, async (context) => {
    const authorities = api.localAuthorities.x509;
    assert.equal((await authorities.state()).prepared, undefined, 'SPIRE has prepared before the test was ready');
    const over = new AbortController();
    const meeting = keepMeeting(east, api, consumers, over.signal);
    for (const { broker } of consumers) process.kill(broker.pid(), 'SIGSTOP');

    const prepared = await eventually('SPIRE prepares', async () => (await authorities.state()).prepared, {
      timeoutMs: 70_000,
    });
    const preparedMs = performance.now();
    const isActive = async () => (await authorities.state()).active.id === prepared.id;
    const activation = eventually('SPIRE activates', isActive, { timeoutMs: 60_000 }).then(() => performance.now());
    const activatesInMs = await eventually('the broker says when', () => activatesIn(east));
    const held = await Promise.all(
      LATE.map(async ({ trustDomain, part }, index) => {
        const consumer = consumers[index]!;
        const consumerApi = openApi(cleanup, consumer.server);
        await pause(preparedMs + part * activatesInMs - performance.now());
        assert.equal((await storedRoots(consumerApi, 'east.test'))?.length, 1);
        process.kill(consumer.broker.pid(), 'SIGCONT');
        await eventually('it holds it', async () => (await storedRoots(consumerApi, 'east.test'))?.length === 2);
        return { trustDomain, part, atMs: performance.now() };
      }),
    );
    const windowMs = (await activation) - preparedMs;
    await pause(SIGNED_BY_THE_NEXT_MS);
    over.abort();
    const { handshakes, refusals } = await meeting;

    const late = held.map(({ atMs }) => (atMs - preparedMs) / windowMs);
    for (const [index, { trustDomain, part }] of held.entries()) {
      context.diagnostic(
        `${trustDomain} late by ${late[index]!.toFixed(2)} of ${(windowMs / 1000).toFixed(1)} s (meant: ${part}); ` +
          `${handshakes.get(trustDomain)} handshakes, ${refusals.filter((each) => each.trustDomain === trustDomain).length} refusals`,
      );
    }
    assert.deepEqual(refusals, []);
    assert.ok(late[0]! >= 0.1 && late[1]! >= 0.35 && Math.max(...late) < 1, late.join());
  });
});

/** Until SPIRE activates what is prepared, as the broker's /status says it. */
async function activatesIn({ broker }: FederatedSide): Promise<number | undefined> {
  const { rotation } = await broker.status();
  if (rotation === undefined || 'reason' in rotation) return undefined;
  const clock = rotation.kinds.find(({ kind }) => kind === 'x509')?.clock;
  return clock && new Date(clock.activatesAt).getTime() - Date.now();
}
