// Does a sidecar certified by istiod accept exactly the declared peers, each root only for its own trust domain, and is nothing drained?
import assert from 'node:assert/strict';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { stringify } from 'yaml';
import { toPem } from '../../src/bundle/certificate.ts';
import { parseTrustDomain, type TrustDomain } from '../../src/bundle/trust-domain.ts';
import { serializeMeshContent } from '../../src/istio/mesh-content.ts';
import { peerAnchors } from '../../src/istio/peer-anchors.ts';
import { makeRoot, makeSvid, type CertificateOptions, type Issued } from '../fakes/fake-ca.ts';
import { Cleanup } from './harness/cleanup.ts';
import { requestByTls, type ClientCertificate } from './harness/envoy-config.ts';
import { eventually } from './harness/eventually.ts';
import { freePort } from './harness/free-ports.ts';
import { holdStream, startEcho } from './harness/held-stream.ts';
import { DRAIN_SECONDS, startSidecar, type Sidecar } from './harness/istio-proxy.ts';
import { type Istiod, startIstiod } from './harness/istiod.ts';
import { type KubeApiServer, startKubeApiServer } from './harness/kube-api-server.ts';
import { ISTIO_NAMESPACE, writeMesh } from './harness/write-mesh.ts';

const ROTATIONS = 3;
const EAST = parseTrustDomain('east.test');
const WEST = parseTrustDomain('west.test');
const NORTH = parseTrustDomain('north.test');
const SHARED = 'istio-federation';
const OK = 'HTTP/1.1 200 OK';

type Mode = 'Constrained' | 'Flat';

/** A peer's roots, as they are published for istiod. */
interface PublishedPeer {
  readonly trustDomain: TrustDomain;
  readonly roots: readonly Issued[];
  readonly mode: Mode;
}

/** The value of the ConfigMap's key `mesh` for these peers, and the PEMs in it. */
function contentFor(peers: readonly PublishedPeer[]): { readonly mesh: string; readonly pems: readonly string[] } {
  const anchors = peers.flatMap(({ trustDomain, roots, mode }) => {
    const ders = roots.map(({ der }) => der);
    const published = peerAnchors(ders, trustDomain, mode);
    assert.equal(published.kind, 'Anchors');
    return published.ders;
  });
  const trustDomains = peers.map(({ trustDomain }) => trustDomain);
  return { mesh: serializeMeshContent({ trustDomains, anchors }), pems: anchors.map(toPem) };
}

const ORDERS = `spiffe://${WEST}/ns/shop/sa/orders`;
const OURS = `spiffe://${EAST}/ns/shop/sa/orders`;

/** Leaves that a hostile peer's CA can sign. */
const FORGERIES: Readonly<Record<string, CertificateOptions>> = {
  'the URI of one of ours': { uris: [OURS] },
  'two URIs, its own and one of ours': { uris: [ORDERS, OURS] },
  'two URIs, one of ours and its own': { uris: [OURS, ORDERS] },
  'a DNS name with the text of one of ours': { uris: [], dnsNames: [OURS] },
  'an e-mail address with the text of one of ours': { uris: [], otherNames: [{ type: 'email', value: OURS }] },
};

describe('a sidecar certified by istiod', () => {
  const cleanup = new Cleanup();
  const inbound = { httpPort: 0, tcpPort: 0, tcpUpstreamPort: 0 };
  let kube: KubeApiServer;
  let istiod: Istiod;
  let sidecar: Sidecar;
  let meshRoot: Issued;
  let westRoot: Issued;

  before(async () => {
    kube = await startKubeApiServer(cleanup, { name: 'mesh' });
    await kube.kubectl(['create', 'namespace', ISTIO_NAMESPACE]);
    await writeMesh(kube, 'istio', stringify({ trustDomain: EAST }));
    [meshRoot, westRoot] = [await makeRoot(EAST), await makeRoot(WEST)];
    istiod = await startIstiod(cleanup, kube, { sharedMeshConfig: SHARED });
    inbound.httpPort = await freePort();
    inbound.tcpPort = await freePort();
    inbound.tcpUpstreamPort = await startEcho(cleanup);
    const certifier = { by: 'istiod', root: meshRoot, spiffeId: OURS } as const;
    sidecar = await startSidecar(cleanup, istiod, { name: 'east', certifier, inbound });
  });
  after(() => cleanup.run());

  /** Until the sidecar judges by it. */
  async function publish(...peers: readonly PublishedPeer[]): Promise<void> {
    const { mesh, pems } = contentFor(peers);
    await writeMesh(kube, SHARED, mesh);
    await sidecar.waitForAnchors(pems);
    await eventually('istiod pushed the trust domains', () =>
      peers.every(({ trustDomain }) => istiod.current().sanPrefixes.includes(`spiffe://${trustDomain}/`)),
    );
  }

  async function leaf(root: Issued, options: CertificateOptions): Promise<ClientCertificate> {
    const { pem, keyPem } = await makeSvid(root, '', options);
    return { chainPem: pem, keyPem };
  }

  const request = async (root: Issued, options: CertificateOptions): Promise<string> =>
    requestByTls(inbound.httpPort, await leaf(root, options));
  const refusals = async (): Promise<number> =>
    (await sidecar.envoy.stat('listener.inbound-http.ssl.fail_verify_error'))!;

  it('refuses a peer that nobody declared', async () => {
    await assert.rejects(request(westRoot, { uris: [ORDERS] }));
  });

  describe('with Constrained anchors', () => {
    before(() => publish({ trustDomain: WEST, roots: [westRoot], mode: 'Constrained' }));

    it('accepts the peer’s and its own workloads', async () => {
      assert.equal(await request(westRoot, { uris: [ORDERS] }), OK);
      assert.equal(await request(meshRoot, { uris: [OURS] }), OK);
    });

    for (const [what, options] of Object.entries(FORGERIES)) {
      it(`refuses a leaf of the peer’s CA with ${what}`, async () => {
        const refusedBefore = await refusals();
        await assert.rejects(request(westRoot, options));
        assert.equal(await refusals(), refusedBefore + 1);
      });
    }

    it('refuses a server of the peer’s CA that claims one of ours, and accepts one of its own', async () => {
      assert.equal(await statusOfCall(await leaf(westRoot, { uris: [ORDERS] })), 200);
      assert.equal(await statusOfCall(await leaf(westRoot, { uris: [OURS] })), 503);
    });

    it(`keeps a stream through ${ROTATIONS} rotations of the peer’s root, and its listeners as they are`, async (context) => {
      const stream = await holdStream(cleanup, inbound.tcpPort, await leaf(westRoot, { uris: [ORDERS] }));
      const listenersBefore = await sidecar.envoy.admin('/config_dump?resource=dynamic_listeners');
      const [writes, requests] = [sidecar.listenerWrites(), sidecar.certificateRequests()];
      for (let rotation = 0; rotation < ROTATIONS; rotation++) {
        const next = await makeRoot(WEST);
        await publish({ trustDomain: WEST, roots: [westRoot, next], mode: 'Constrained' });
        for (const root of [westRoot, next]) assert.equal(await request(root, { uris: [ORDERS] }), OK);
        await publish({ trustDomain: WEST, roots: [next], mode: 'Constrained' });
        assert.equal(await request(next, { uris: [ORDERS] }), OK);
        await assert.rejects(request(westRoot, { uris: [ORDERS] }));
        westRoot = next;
      }
      context.diagnostic(`bytes on the stream: ${await stream.exchange()}`);
      assert.equal(sidecar.listenerWrites(), writes);
      assert.equal(await sidecar.envoy.admin('/config_dump?resource=dynamic_listeners'), listenersBefore);
      assert.equal(sidecar.certificateRequests(), requests + 2 * ROTATIONS);
    });

    it('hears the same from an istiod that starts anew, and so does a sidecar that comes after', async () => {
      const writes = sidecar.listenerWrites();
      const before = istiod.current();
      istiod.restart();
      assert.deepEqual(istiod.current(), before);
      assert.equal(sidecar.listenerWrites(), writes);
      await using later = new Cleanup();
      const ports = { ...inbound, httpPort: await freePort(), tcpPort: await freePort() };
      const certifier = { by: 'istiod', root: meshRoot, spiffeId: OURS } as const;
      await startSidecar(later, istiod, { name: 'east-later', certifier, inbound: ports });
      for (const port of [inbound.httpPort, ports.httpPort]) {
        assert.equal(await requestByTls(port, await leaf(westRoot, { uris: [ORDERS] })), OK);
        await assert.rejects(requestByTls(port, await leaf(westRoot, { uris: [OURS] })));
      }
    });

    it('writes its listeners once for another trust domain, and drains what is open', async () => {
      const north = { trustDomain: NORTH, roots: [await makeRoot(NORTH)], mode: 'Constrained' } as const;
      const stream = await holdStream(cleanup, inbound.tcpPort, await leaf(westRoot, { uris: [ORDERS] }));
      const writes = sidecar.listenerWrites();
      const startMs = performance.now();
      await publish(north, { trustDomain: WEST, roots: [westRoot], mode: 'Constrained' });
      assert.equal(sidecar.listenerWrites(), writes + 1);
      await eventually('a workload of it is accepted', async () => {
        return (await request(north.roots[0], { uris: [`spiffe://${NORTH}/ns/shop/sa/orders`] })) === OK;
      });
      await stream.ended;
      assert.ok(performance.now() - startMs >= DRAIN_SECONDS * 1_000);
      assert.equal(sidecar.listenerWrites(), writes + 1);
    });
  });

  describe('with Flat anchors', () => {
    before(() => publish({ trustDomain: WEST, roots: [westRoot], mode: 'Flat' }));

    it('accepts the peer’s and its own workloads', async () => {
      assert.equal(await request(westRoot, { uris: [ORDERS] }), OK);
      assert.equal(await request(meshRoot, { uris: [OURS] }), OK);
    });

    for (const [what, options] of Object.entries(FORGERIES)) {
      it(`accepts a leaf of the peer’s CA with ${what}: the risk that Flat acknowledges`, async () => {
        assert.equal(await request(westRoot, options), OK);
      });
    }

    it('accepts a server of the peer’s CA that claims one of ours', async () => {
      assert.equal(await statusOfCall(await leaf(westRoot, { uris: [OURS] })), 200);
    });
  });

  /** Of a call from a sidecar of ours to a server with this certificate. */
  async function statusOfCall({ chainPem, keyPem }: ClientCertificate): Promise<number> {
    await using call = new Cleanup();
    const server = createServer(
      { cert: chainPem, key: keyPem, requestCert: true, rejectUnauthorized: false },
      (_, response) => response.end(),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    call.add(() => {
      server.closeAllConnections();
      server.close();
    });
    const peer = { httpPort: (server.address() as AddressInfo).port, tcpPort: 1 };
    const outbound = { httpPort: await freePort(), tcpPort: await freePort(), peer, subjectAltNames: [ORDERS, OURS] };
    const certifier = { by: 'istiod', root: meshRoot, spiffeId: OURS } as const;
    const ports = { ...inbound, httpPort: await freePort(), tcpPort: await freePort() };
    await startSidecar(call, istiod, { name: 'east-caller', certifier, inbound: ports, outbound });
    const { status } = await fetch(`http://127.0.0.1:${outbound.httpPort}/`, { signal: AbortSignal.timeout(5_000) });
    return status;
  }
});
