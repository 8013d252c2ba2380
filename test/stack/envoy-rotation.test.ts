// Do requests between two real Envoys go on while both trust domains rotate, and is a forged identity refused?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { Cleanup } from './harness/cleanup.ts';
import { gateway, requestByTls, sidecar } from './harness/envoy-config.ts';
import { startEnvoy } from './harness/envoy.ts';
import { startFederatedPair, type FederatedSide } from './harness/federated-pair.ts';
import { freePort } from './harness/free-ports.ts';
import { startHeldTrustDomain, type HeldTrustDomain } from './harness/held-trust-domain.ts';
import { rotateRoot } from './harness/rotate-root.ts';

const ROTATIONS = 3;
const NORTH = parseTrustDomain('north.test');

describe('two real Envoys, each beside its trust domain’s agent', () => {
  const cleanup = new Cleanup();
  let east: FederatedSide;
  let west: FederatedSide;
  let north: HeldTrustDomain;
  let gatewayPort: number;
  let sidecarUrl: string;

  before(async () => {
    [east, west] = await startFederatedPair(cleanup, ['east.test', 'west.test']);
    north = await startHeldTrustDomain(cleanup, NORTH);
    const federatesWith = { entries: [{ spiffeID: 'spiffe://west.test/workload' }] };
    west.broker.declare('north', { ...north.declaration, federatesWith });
    await Promise.all([
      east.agent.waitForX509(({ federatedRoots }) => federatedRoots.has('west.test')),
      west.agent.waitForX509(({ federatedRoots }) => federatedRoots.has('east.test') && federatedRoots.has(NORTH)),
    ]);
    const ownPort = await freePort();
    gatewayPort = await freePort();
    const [spiffeId, peerId] = ['spiffe://east.test/workload', 'spiffe://west.test/workload'];
    await startEnvoy(cleanup, gateway(gatewayPort, west.agent.socketPath, peerId), 'envoy-west');
    const ports = { own: ownPort, gateway: gatewayPort };
    await startEnvoy(cleanup, sidecar(ports, east.agent.socketPath, { spiffeId, peerId }), 'envoy-east');
    sidecarUrl = `http://127.0.0.1:${ownPort}/`;
  });
  after(() => cleanup.run());

  it(`pass every request through ${ROTATIONS} rotations on both sides, each by a handshake of its own`, async (context) => {
    const statuses = new Map<number, number>();
    const rotated = new AbortController();
    const requests = (async () => {
      while (!rotated.signal.aborted) {
        const { status } = await fetch(sidecarUrl, { signal: AbortSignal.timeout(5_000) });
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        await pause(50);
      }
    })();
    for (let rotation = 0; rotation < ROTATIONS; rotation++) {
      await rotateRoot(east, west);
      await rotateRoot(west, east);
    }
    rotated.abort();
    await requests;
    context.diagnostic(`answers by status: ${JSON.stringify([...statuses])}`);
    assert.deepEqual([...statuses.keys()], [200]);
  });

  it('refuse a leaf of one peer’s authority that claims the name of another, and accept its own', async () => {
    assert.equal(await requestByTls(gatewayPort, await north.leaf(`spiffe://${NORTH}/workload`)), 'HTTP/1.1 200 OK');
    for (const forged of ['spiffe://east.test/workload', 'spiffe://west.test/workload']) {
      await assert.rejects(requestByTls(gatewayPort, await north.leaf(forged)));
    }
  });
});
