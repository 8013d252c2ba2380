// E1: do two real trust domains trust each other through their brokers, from the first contact on?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isReady } from './harness/broker.ts';
import { Cleanup } from './harness/cleanup.ts';
import { startFederatedPair, type FederatedSide } from './harness/federated-pair.ts';
import { mutualHandshake } from './harness/verify-svid.ts';
import type { X509Context } from './harness/x509-context.ts';

describe('E1: two real trust domains with a broker each', () => {
  const cleanup = new Cleanup();
  let east: FederatedSide;
  let west: FederatedSide;
  let atEast: X509Context;
  let atWest: X509Context;

  before(async () => {
    [east, west] = await startFederatedPair(cleanup, ['east.test', 'west.test']);
    [atEast, atWest] = await Promise.all([
      east.agent.waitForX509(({ federatedRoots }) => federatedRoots.has('west.test')),
      west.agent.waitForX509(({ federatedRoots }) => federatedRoots.has('east.test')),
    ]);
  });

  after(() => cleanup.run());

  it('gives each workload the other trust domain’s roots, under that trust domain’s name', () => {
    assert.deepEqual(
      atEast.federatedRoots.get('west.test')?.map(({ fingerprint256 }) => fingerprint256),
      atWest.roots.map(({ fingerprint256 }) => fingerprint256),
    );
    assert.deepEqual(
      atWest.federatedRoots.get('east.test')?.map(({ fingerprint256 }) => fingerprint256),
      atEast.roots.map(({ fingerprint256 }) => fingerprint256),
    );
  });

  it('lets the workloads complete mutual TLS in both directions', async () => {
    const atEastSide = { svid: atEast.svid, roots: atEast.federatedRoots.get('west.test') ?? [] };
    const atWestSide = { svid: atWest.svid, roots: atWest.federatedRoots.get('east.test') ?? [] };
    assert.deepEqual(await mutualHandshake(atEastSide, atWestSide), {
      client: { ok: true, spiffeId: 'spiffe://west.test/workload' },
      server: { ok: true, spiffeId: 'spiffe://east.test/workload' },
    });
    assert.deepEqual(await mutualHandshake(atWestSide, atEastSide), {
      client: { ok: true, spiffeId: 'spiffe://east.test/workload' },
      server: { ok: true, spiffeId: 'spiffe://west.test/workload' },
    });
  });

  it('shows every condition of the peer as met', async () => {
    const peer = await east.broker.waitForPeer(
      'west.test',
      (found) => isReady(found) && found.conditions.every(({ status }) => status === 'True'),
    );
    assert.equal(peer.entriesFederated, 1);
  });
});
