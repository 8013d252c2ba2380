// Do sidecars certified by SPIRE reach each other across trust domains while both rotate, and is a forged identity refused?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { stringify } from 'yaml';
import { parseTrustDomain, type TrustDomain } from '../../src/bundle/trust-domain.ts';
import { serializeMeshContent } from '../../src/istio/mesh-content.ts';
import { makeRoot, makeSvid } from '../fakes/fake-ca.ts';
import { Cleanup } from './harness/cleanup.ts';
import { requestByTls, type ClientCertificate } from './harness/envoy-config.ts';
import { eventually } from './harness/eventually.ts';
import { startFederatedPair, type FederatedSide } from './harness/federated-pair.ts';
import { freePort } from './harness/free-ports.ts';
import { startHeldTrustDomain, type HeldTrustDomain } from './harness/held-trust-domain.ts';
import { holdStream, startEcho } from './harness/held-stream.ts';
import type { Inbound, Outbound } from '../../src/cli/demo/istio-envoy.ts';
import { startSidecar, type Sidecar } from './harness/istio-proxy.ts';
import { type Istiod, startIstiod } from './harness/istiod.ts';
import { type KubeApiServer, startKubeApiServer } from './harness/kube-api-server.ts';
import { rotateRoot } from './harness/rotate-root.ts';
import { openApi } from './harness/stored-roots.ts';
import { ISTIO_NAMESPACE, writeMesh } from './harness/write-mesh.ts';

const ROTATIONS = 3;
const EAST = parseTrustDomain('east.test');
const WEST = parseTrustDomain('west.test');
const NORTH = parseTrustDomain('north.test');
const OK = 'HTTP/1.1 200 OK';

interface Side extends FederatedSide {
  readonly istiod: Istiod;
  readonly sidecar: Sidecar;
  readonly inbound: Inbound;
  readonly outbound: Outbound;
}

/** The value of the ConfigMap's key `mesh` in a mesh on SPIRE: names alone. */
function contentFor(trustDomains: readonly TrustDomain[]): string {
  return serializeMeshContent({ trustDomains, anchors: [] });
}

describe('two real sidecars as Istio configures them, certified by SPIRE', () => {
  const cleanup = new Cleanup();
  let kube: KubeApiServer;
  let east: Side;
  let west: Side;
  let north: HeldTrustDomain;
  /** Of its workload, by the root that it has by then. */
  let northNow: ClientCertificate;

  before(async () => {
    const [pair, apiServer] = await Promise.all([
      startFederatedPair(cleanup, [EAST, WEST], {
        agent: { sdsAllBundlesName: 'ROOTCA' },
        flags: { 'refresh-min-seconds': 1, 'refresh-max-seconds': 1, 'refresh-default-seconds': 1 },
      }),
      startKubeApiServer(cleanup, { name: 'mesh' }),
    ]);
    kube = apiServer;
    await kube.kubectl(['create', 'namespace', ISTIO_NAMESPACE]);
    const [eastSide, westSide] = pair;
    north = await startHeldTrustDomain(cleanup, NORTH);
    const federatesWith = { entries: [{ spiffeID: 'spiffe://west.test/workload' }] };
    westSide.broker.declare('north', { ...north.declaration, federatesWith });
    await Promise.all([
      eastSide.agent.waitForX509(({ federatedRoots }) => federatedRoots.has('west.test')),
      westSide.agent.waitForX509(({ federatedRoots }) => federatedRoots.has('east.test') && federatedRoots.has(NORTH)),
    ]);
    const inbounds = { east: await inboundPorts(), west: await inboundPorts() };
    east = await startSide(eastSide, 'east', [WEST], inbounds.east, inbounds.west);
    west = await startSide(westSide, 'west', [EAST, NORTH], inbounds.west, inbounds.east);
  });
  after(() => cleanup.run());

  async function inboundPorts(): Promise<Inbound> {
    return { httpPort: await freePort(), tcpPort: await freePort(), tcpUpstreamPort: await startEcho(cleanup) };
  }

  async function startSide(
    side: FederatedSide,
    name: string,
    peers: readonly TrustDomain[],
    inbound: Inbound,
    peer: Inbound,
  ): Promise<Side> {
    // One API server holds both meshes, each as a revision of istiod.
    const sharedMeshConfig = `istio-federation-${name}`;
    await writeMesh(kube, `istio-${name}`, stringify({ trustDomain: side.trustDomain }));
    await writeMesh(kube, sharedMeshConfig, contentFor(peers));
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

  async function statusOfCall({ outbound }: Side): Promise<number> {
    const url = `http://127.0.0.1:${outbound.httpPort}/`;
    return (await fetch(url, { signal: AbortSignal.timeout(5_000) })).status;
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
    assert.equal(await requestByTls(west.inbound.httpPort, await north.leaf(`spiffe://${NORTH}/workload`)), OK);
    for (const forged of ['spiffe://east.test/workload', 'spiffe://west.test/workload']) {
      await assert.rejects(requestByTls(west.inbound.httpPort, await north.leaf(forged)));
    }
  });

  // Envoy's SPIFFE validator looks for the bundle by the first URI alone. SPIRE issues no such leaf, a hostile CA can.
  it('accept a leaf with two URIs by the first of them: what SPIFFE forbids and Envoy does not refuse', async () => {
    const [own, forged] = [`spiffe://${NORTH}/workload`, 'spiffe://west.test/workload'];
    const ownFirst = await north.leaf(own, { uris: [own, forged] });
    assert.equal(await requestByTls(west.inbound.httpPort, ownFirst), OK);
    const forgedFirst = await north.leaf(own, { uris: [forged, own] });
    await assert.rejects(requestByTls(west.inbound.httpPort, forgedFirst));
  });

  it('lose no request while another peer comes and goes, whose bundle SPIRE has before any entry names it, and longer', async (context) => {
    const south = await startHeldTrustDomain(cleanup, parseTrustDomain('south.test'));
    const api = openApi(cleanup, west.server);
    const isNamed = async () =>
      (await api.listEntries()).some(({ federatesWith }) => federatesWith.includes(south.trustDomain));
    const isHeld = async () => (await api.getFederatedBundle(south.trustDomain)) !== undefined;
    const statuses = new Set<number>();
    let looks = 0;
    const look = async () => {
      statuses.add(await statusOfCall(east));
      statuses.add(await statusOfCall(west));
      looks += 1;
    };
    west.broker.declare('south', {
      ...south.declaration,
      federatesWith: { entries: [{ spiffeID: 'spiffe://west.test/workload' }] },
    });
    // Read in this order, an entry that came first would be seen.
    for (let named = false; !named;) {
      await look();
      named = await isNamed();
      assert.ok((await isHeld()) || !named, 'an entry names it, and SPIRE has no bundle of it');
    }
    await west.agent.waitForX509(({ federatedRoots }) => federatedRoots.has(south.trustDomain));
    await writeMesh(kube, 'istio-federation-west', contentFor([EAST, NORTH, south.trustDomain]));
    const leaf = await south.leaf(`spiffe://${south.trustDomain}/workload`);
    const isAccepted = () =>
      requestByTls(west.inbound.httpPort, leaf).then(
        (answer) => answer === OK,
        () => false,
      );
    await eventually('it is accepted', isAccepted);
    west.broker.undeclare('south');
    for (let held = true; held;) {
      await look();
      held = await isHeld();
      assert.ok(held || !(await isNamed()), 'an entry still names it, and its bundle is gone');
    }
    await eventually('it is refused', async () => !(await isAccepted()));
    context.diagnostic(`${looks} looks`);
    assert.deepEqual([...statuses], [200]);
  });

  it('go on with an old root as long as its peer publishes it beside the new, and obey at once when it is withdrawn', async (context) => {
    const [old, next] = [north.root, await makeRoot(NORTH)];
    const id = `spiffe://${NORTH}/workload`;
    const byNext = await makeSvid(next, id);
    northNow = { chainPem: byNext.pem, keyPem: byNext.keyPem };
    const [ofOld, ofNext] = [await north.leaf(id), northNow];
    const accepts = (leaf: ClientCertificate) =>
      requestByTls(west.inbound.httpPort, leaf).then(
        (answer) => answer === OK,
        () => false,
      );
    const stream = await holdStream(cleanup, west.inbound.tcpPort, ofOld);
    north.publish([old.der, next.der]);
    await eventually('the new root is held', () => accepts(ofNext));
    assert.equal(await accepts(ofOld), true);
    north.publish([next.der]);
    const withdrawnAt = performance.now();
    await eventually('the withdrawn root vouches for nobody', async () => !(await accepts(ofOld)), { intervalMs: 50 });
    context.diagnostic(`refused ${Math.round(performance.now() - withdrawnAt)} ms after the endpoint had withdrawn it`);
    assert.equal(await accepts(ofNext), true);
    assert.equal(await statusOfCall(east), 200);
    assert.ok((await stream.exchange()) > 0, 'what is open lives on');
  });

  it('refuse a peer that SPIRE vouches for as long as the mesh does not list its trust domain', async () => {
    const writes = west.sidecar.listenerWrites();
    assert.equal(await requestByTls(west.inbound.httpPort, northNow), OK);
    await writeMesh(kube, 'istio-federation-west', contentFor([EAST]));
    await eventually('it is refused', async () => {
      await assert.rejects(requestByTls(west.inbound.httpPort, northNow));
      return true;
    });
    assert.equal(await statusOfCall(east), 200);
    assert.equal(west.sidecar.listenerWrites(), writes + 1);
  });
});
