// Do requests between two real Envoys go on while both trust domains rotate, and is a forged identity refused?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { serializeBundle } from '../../src/bundle/bundle-document.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { makeRoot, makeSvid, type Issued } from '../fakes/fake-ca.ts';
import { startEndpoint } from '../fakes/hostile-endpoint.ts';
import { Cleanup } from './harness/cleanup.ts';
import { gateway, requestByTls, sidecar } from './harness/envoy-config.ts';
import { startEnvoy } from './harness/envoy.ts';
import { startFederatedPair, type FederatedSide } from './harness/federated-pair.ts';
import { freePort } from './harness/free-ports.ts';
import { rotateRoot } from './harness/rotate-root.ts';

const ROTATIONS = 3;
const NORTH = parseTrustDomain('north.test');

describe('two real Envoys, each beside its trust domain’s agent', () => {
  const cleanup = new Cleanup();
  let east: FederatedSide;
  let west: FederatedSide;
  let northRoot: Issued;
  let gatewayPort: number;
  let sidecarUrl: string;

  before(async () => {
    [east, west] = await startFederatedPair(cleanup, ['east.test', 'west.test']);
    // A third trust domain whose authority is in the test's hands, so that it can sign what no honest one would.
    northRoot = await makeRoot(NORTH);
    const northId = `spiffe://${NORTH}/federation-broker`;
    const document = serializeBundle(
      {
        trustDomain: NORTH,
        x509Authorities: [northRoot.der],
        jwtAuthorities: [],
        sequenceNumber: 1n,
        refreshHintSeconds: 300,
      },
      { refreshHintSeconds: 300 },
    );
    const endpoint = await startEndpoint(await makeSvid(northRoot, northId), (_request, response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(document),
    );
    cleanup.add(() => endpoint.close());
    west.broker.declare('north', {
      trustDomain: NORTH,
      bundleEndpointURL: endpoint.url,
      bundleEndpointProfile: { type: 'https_spiffe', endpointSPIFFEID: northId },
      trustDomainBundle: { inline: document.toString() },
      federatesWith: { entries: [{ spiffeID: 'spiffe://west.test/workload' }] },
    });
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
    const leaf = async (id: string) => {
      const { pem, keyPem } = await makeSvid(northRoot, id);
      return { chainPem: pem, keyPem };
    };
    assert.equal(await requestByTls(gatewayPort, await leaf(`spiffe://${NORTH}/workload`)), 'HTTP/1.1 200 OK');
    for (const forged of ['spiffe://east.test/workload', 'spiffe://west.test/workload']) {
      await assert.rejects(requestByTls(gatewayPort, await leaf(forged)));
    }
  });
});
