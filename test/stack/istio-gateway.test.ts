// Does an edge gateway accept at each server exactly the peer whose CA object that server names?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { CA_KEY, gatewayCaContent } from '../../src/istio/gateway-ca-content.ts';
import { makeRoot, makeSvid, type Issued } from '../fakes/fake-ca.ts';
import { Cleanup } from './harness/cleanup.ts';
import { requestByTls } from './harness/envoy-config.ts';
import { eventually } from './harness/eventually.ts';
import { freePort } from './harness/free-ports.ts';
import { applyIstioCrds } from './harness/istio-crds.ts';
import { startGateway, type Gateway, type ServerTls } from './harness/istio-gateway.ts';
import { type KubeApiServer, startKubeApiServer } from './harness/kube-api-server.ts';

const OK = 'HTTP/1.1 200 OK';
const BROKER_NAMESPACE = 'spire-server';
const GATEWAY = { namespace: 'istio-ingress', name: 'edge' };
const ID = {
  west: 'spiffe://west.test/ns/shop/sa/orders',
  north: 'spiffe://north.test/ns/shop/sa/orders',
  south: 'spiffe://south.test/ns/shop/sa/orders',
  late: 'spiffe://late.test/ns/shop/sa/orders',
} as const;

type Peer = keyof typeof ID;

/** How each server finds its peer's CA. */
const SERVERS: Readonly<Record<Peer, Omit<ServerTls, 'mode' | 'subjectAltNames'>>> = {
  west: { credentialName: 'builtin://', caCertCredentialName: `configmap://${BROKER_NAMESPACE}/ca-west` },
  north: { credentialName: 'builtin://', caCertCredentialName: `configmap://${BROKER_NAMESPACE}/ca-north` },
  // Before Istio 1.28.
  south: { credentialName: 'south' },
  late: { credentialName: 'builtin://', caCertCredentialName: `configmap://${BROKER_NAMESPACE}/ca-late` },
};

/** The data of a peer's CA object: the peer's roots as they are. */
function contentFor(peer: Peer, roots: readonly Issued[]): Readonly<Record<string, string>> {
  const ders = roots.map(({ der }) => der);
  return gatewayCaContent(parseTrustDomain(`${peer}.test`), ders).data;
}

describe('an edge gateway with a server for each peer', () => {
  const cleanup = new Cleanup();
  const ports = new Map<Peer, number>();
  const roots = new Map<Peer, Issued>();
  let kube: KubeApiServer;
  let gateway: Gateway;

  before(async () => {
    kube = await startKubeApiServer(cleanup, { name: 'mesh' });
    await applyIstioCrds(kube);
    for (const namespace of [BROKER_NAMESPACE, GATEWAY.namespace])
      await kube.kubectl(['create', 'namespace', namespace]);
    for (const peer of Object.keys(ID) as Peer[]) {
      roots.set(peer, await makeRoot(`${peer}.test`));
      ports.set(peer, await freePort());
      if (peer !== 'late') await writeCa(peer, contentFor(peer, [rootOf(peer)]));
    }
    await apply(gatewayObject('MUTUAL'));
    const svid = await makeSvid(await makeRoot('east.test'), 'spiffe://east.test/ns/istio-ingress/sa/edge');
    gateway = await startGateway(cleanup, kube, GATEWAY, svid);
  });
  after(() => cleanup.run());

  function gatewayObject(mode: string): object {
    const servers = (Object.keys(ID) as Peer[]).map((peer) => ({
      port: { number: ports.get(peer), name: peer, protocol: 'HTTPS' },
      hosts: [`${peer}.example`],
      tls: { mode, subjectAltNames: [ID[peer]], ...SERVERS[peer] },
    }));
    const spec = { selector: { istio: 'edge' }, servers };
    return { apiVersion: 'networking.istio.io/v1', kind: 'Gateway', metadata: GATEWAY, spec };
  }

  function rootOf(peer: Peer): Issued {
    return roots.get(peer)!;
  }

  async function apply(object: object): Promise<void> {
    await kube.kubectl(['apply', '--server-side', '--filename=-'], { input: JSON.stringify(object) });
  }

  async function writeCa(peer: Peer, data: Readonly<Record<string, string>>): Promise<void> {
    if (peer === 'south') {
      const metadata = { name: 'south-cacert', namespace: GATEWAY.namespace };
      return apply({ apiVersion: 'v1', kind: 'Secret', metadata, stringData: data });
    }
    const metadata = { name: `ca-${peer}`, namespace: BROKER_NAMESPACE };
    return apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data });
  }

  /** To the server of `at`, with a leaf signed by `by` that says it is `id`. */
  async function request(at: Peer, by: Issued, id: string): Promise<string> {
    const { pem, keyPem } = await makeSvid(by, id);
    return requestByTls(ports.get(at)!, { chainPem: pem, keyPem });
  }

  const PEERS: readonly Peer[] = ['west', 'north', 'south'];

  for (const peer of PEERS) {
    it(`accepts ${peer} at the server of ${peer}, and nobody else`, async () => {
      assert.equal(await request(peer, rootOf(peer), ID[peer]), OK);
      for (const other of PEERS.filter((candidate) => candidate !== peer)) {
        // By its own name, by the name that is accepted there, and the right CA with another's name.
        await assert.rejects(request(peer, rootOf(other), ID[other]));
        await assert.rejects(request(peer, rootOf(other), ID[peer]));
        await assert.rejects(request(peer, rootOf(peer), ID[other]));
      }
    });
  }

  it('takes another root from the CA object, keeps the old one as long as it is there, and no listener changes', async () => {
    for (const peer of PEERS) {
      const next = await makeRoot(`${peer}.test`);
      await writeCa(peer, contentFor(peer, [rootOf(peer), next]));
      await eventually('the new root counts', async () => (await request(peer, next, ID[peer])) === OK);
      assert.equal(await request(peer, rootOf(peer), ID[peer]), OK);
      await writeCa(peer, contentFor(peer, [next]));
      await eventually('the old root is gone', () => isRefused(request(peer, rootOf(peer), ID[peer])));
      assert.equal(await request(peer, next, ID[peer]), OK);
      roots.set(peer, next);
    }
    assert.equal(gateway.listenerWrites(), 1);
  });

  it('keeps the roots it has when the CA object is garbage, empty or deleted', async () => {
    for (const content of ['garbage', '']) {
      const rejected = await rejectedSecrets();
      await writeCa('west', { [CA_KEY]: content });
      await eventually('Envoy refused it', async () => (await rejectedSecrets()) > rejected);
      assert.equal(await request('west', rootOf('west'), ID.west), OK);
    }
    await kube.kubectl(['delete', 'configmap', 'ca-west', `--namespace=${BROKER_NAMESPACE}`]);
    assert.equal(await request('west', rootOf('west'), ID.west), OK);
    await writeCa('west', contentFor('west', [rootOf('west')]));
  });

  it('accepts nobody at a server whose CA object is not there, until it is', async () => {
    await assert.rejects(request('late', rootOf('late'), ID.late));
    await writeCa('late', contentFor('late', [rootOf('late')]));
    await eventually('it is accepted', async () => (await request('late', rootOf('late'), ID.late)) === OK);
  });

  it('is described by an object that Istio’s own definition checks', async () => {
    await assert.rejects(apply(gatewayObject('NO_SUCH_MODE')), /Unsupported value: "NO_SUCH_MODE"/);
  });

  async function rejectedSecrets(): Promise<number> {
    const lines = (await gateway.envoy.admin('/stats?filter=^sds\\..*update_rejected')).split('\n');
    return lines.reduce((sum, line) => sum + Number(line.split(': ')[1] ?? 0), 0);
  }
});

async function isRefused(request: Promise<string>): Promise<boolean> {
  return request.then(
    () => false,
    () => true,
  );
}
