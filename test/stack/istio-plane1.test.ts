// Do sidecars certified by SPIRE reach each other across trust domains while both rotate, and is a forged identity refused?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { stringify } from 'yaml';
import { serializeBundle } from '../../src/bundle/bundle-document.ts';
import { parseTrustDomain, type TrustDomain } from '../../src/bundle/trust-domain.ts';
import { makeRoot, makeSvid, type Issued } from '../fakes/fake-ca.ts';
import { startEndpoint } from '../fakes/hostile-endpoint.ts';
import { Cleanup } from './harness/cleanup.ts';
import { requestByTls } from './harness/envoy-config.ts';
import { eventually } from './harness/eventually.ts';
import { startFederatedPair, type FederatedSide } from './harness/federated-pair.ts';
import { freePort } from './harness/free-ports.ts';
import { holdStream, startEcho } from './harness/held-stream.ts';
import type { Inbound, Outbound } from './harness/istio-envoy.ts';
import { startSidecar, type Sidecar } from './harness/istio-proxy.ts';
import { type Istiod, startIstiod } from './harness/istiod.ts';
import { type KubeApiServer, startKubeApiServer } from './harness/kube-api-server.ts';
import { rotateRoot } from './harness/rotate-root.ts';

const ROTATIONS = 3;
const NORTH = parseTrustDomain('north.test');
const OK = 'HTTP/1.1 200 OK';

interface Side extends FederatedSide {
  readonly istiod: Istiod;
  readonly sidecar: Sidecar;
  readonly inbound: Inbound;
  readonly outbound: Outbound;
}

/** What the ConfigMap of a mesh on SPIRE holds for these peers: the value of its key `mesh`. */
function contentFor(trustDomains: readonly string[]): string {
  return stringify({ caCertificates: [{ trustDomains: [...trustDomains].sort() }] });
}

describe('two real sidecars as Istio configures them, certified by SPIRE', () => {
  const cleanup = new Cleanup();
  let kube: KubeApiServer;
  let east: Side;
  let west: Side;
  let northRoot: Issued;

  before(async () => {
    const [pair, apiServer] = await Promise.all([
      startFederatedPair(cleanup, ['east.test', 'west.test'], { agent: { sdsAllBundlesName: 'ROOTCA' } }),
      startKubeApiServer(cleanup, { name: 'mesh' }),
    ]);
    kube = apiServer;
    await kube.kubectl(['create', 'namespace', 'istio-system']);
    const [eastSide, westSide] = pair;
    northRoot = await makeRoot(NORTH);
    westSide.broker.declare('north', await declarationWithRoot(northRoot, NORTH));
    await Promise.all([
      eastSide.agent.waitForX509(({ federatedRoots }) => federatedRoots.has('west.test')),
      westSide.agent.waitForX509(({ federatedRoots }) => federatedRoots.has('east.test') && federatedRoots.has(NORTH)),
    ]);
    const inbounds = { east: await inboundPorts(), west: await inboundPorts() };
    east = await startSide(eastSide, 'east', ['west.test'], inbounds.east, inbounds.west);
    west = await startSide(westSide, 'west', ['east.test', NORTH], inbounds.west, inbounds.east);
  });
  after(() => cleanup.run());

  /** A trust domain whose authority is in the test's hands, so that it can sign what no honest one would. */
  async function declarationWithRoot(root: Issued, trustDomain: TrustDomain): Promise<Record<string, unknown>> {
    const endpointSPIFFEID = `spiffe://${trustDomain}/federation-broker`;
    const document = serializeBundle(
      { trustDomain, x509Authorities: [root.der], jwtAuthorities: [], sequenceNumber: 1n, refreshHintSeconds: 300 },
      { refreshHintSeconds: 300 },
    );
    const endpoint = await startEndpoint(await makeSvid(root, endpointSPIFFEID), (_request, response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(document),
    );
    cleanup.add(() => endpoint.close());
    return {
      trustDomain,
      bundleEndpointURL: endpoint.url,
      bundleEndpointProfile: { type: 'https_spiffe', endpointSPIFFEID },
      trustDomainBundle: { inline: document.toString() },
      federatesWith: { entries: [{ spiffeID: 'spiffe://west.test/workload' }] },
    };
  }

  async function inboundPorts(): Promise<Inbound> {
    return { httpPort: await freePort(), tcpPort: await freePort(), tcpUpstreamPort: await startEcho(cleanup) };
  }

  async function startSide(
    side: FederatedSide,
    name: string,
    peers: readonly string[],
    inbound: Inbound,
    peer: Inbound,
  ): Promise<Side> {
    // One API server holds both meshes, each as a revision of istiod.
    const sharedMeshConfig = `istio-federation-${name}`;
    await apply(`istio-${name}`, stringify({ trustDomain: side.trustDomain }));
    await apply(sharedMeshConfig, contentFor(peers));
    const istiod = await startIstiod(cleanup, kube, { revision: name, sharedMeshConfig });
    const outbound: Outbound = {
      httpPort: await freePort(),
      tcpPort: await freePort(),
      peer,
      subjectAltNames: [`spiffe://${peers[0] ?? ''}/workload`],
    };
    const certifier = { by: 'spire', agentSocketPath: side.agent.socketPath } as const;
    const sidecar = await startSidecar(cleanup, istiod, { name, certifier, inbound, outbound });
    return { ...side, istiod, sidecar, inbound, outbound };
  }

  async function apply(name: string, mesh: string): Promise<void> {
    const metadata = { name, namespace: 'istio-system' };
    const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { mesh } };
    await kube.kubectl(['apply', '--server-side', '--filename=-'], { input: JSON.stringify(configMap) });
  }

  async function statusOfCall({ outbound }: Side): Promise<number> {
    const url = `http://127.0.0.1:${outbound.httpPort}/`;
    return (await fetch(url, { signal: AbortSignal.timeout(5_000) })).status;
  }

  async function leaf(id: string) {
    const { pem, keyPem } = await makeSvid(northRoot, id);
    return { chainPem: pem, keyPem };
  }

  it(`pass every request both ways, and keep a stream each way, through ${ROTATIONS} rotations on both sides`, async (context) => {
    const sides = [east, west];
    const streams = await Promise.all(sides.map(({ outbound }) => holdStream(cleanup, outbound.tcpPort)));
    const statuses = new Map<string, number>();
    const rotated = new AbortController();
    const requests = sides.map(async (side) => {
      while (!rotated.signal.aborted) {
        const key = `from ${side.trustDomain}: ${await statusOfCall(side)}`;
        statuses.set(key, (statuses.get(key) ?? 0) + 1);
        await pause(50);
      }
    });
    for (let rotation = 0; rotation < ROTATIONS; rotation++) {
      await Promise.all([rotateRoot(east, west), rotateRoot(west, east)]);
    }
    rotated.abort();
    await Promise.all(requests);
    context.diagnostic(`answers: ${JSON.stringify([...statuses])}`);
    assert.deepEqual([...statuses.keys()].sort(), ['from east.test: 200', 'from west.test: 200']);
    const bytes = await Promise.all(streams.map((stream) => stream.exchange()));
    context.diagnostic(`bytes on the streams: ${bytes.join(', ')}`);
    assert.deepEqual(
      sides.map(({ sidecar, istiod }) => [sidecar.listenerWrites(), istiod.pushes()]),
      [
        [1, 0],
        [1, 0],
      ],
    );
  });

  it('refuse a leaf of one peer’s authority that claims the name of another, and accept its own', async () => {
    assert.equal(await requestByTls(west.inbound.httpPort, await leaf(`spiffe://${NORTH}/workload`)), OK);
    for (const forged of ['spiffe://east.test/workload', 'spiffe://west.test/workload']) {
      await assert.rejects(requestByTls(west.inbound.httpPort, await leaf(forged)));
    }
  });

  it('refuse a peer that SPIRE vouches for as long as the mesh does not list its trust domain', async () => {
    await apply('istio-federation-west', contentFor(['east.test']));
    await eventually('it is refused', async () => {
      await assert.rejects(requestByTls(west.inbound.httpPort, await leaf(`spiffe://${NORTH}/workload`)));
      return true;
    });
    assert.equal(await statusOfCall(east), 200);
    assert.equal(west.sidecar.listenerWrites(), 2);
  });
});
