// Does a gateway at the edge get the roots of its peer from the broker alone, and keep them as long as it names them?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { makeSvid } from '../fakes/fake-ca.ts';
import { Cleanup } from './harness/cleanup.ts';
import { requestByTls } from './harness/envoy-config.ts';
import { eventually } from './harness/eventually.ts';
import { freePort } from './harness/free-ports.ts';
import { startHeldTrustDomain, type HeldTrustDomain } from './harness/held-trust-domain.ts';
import { startGateway, type Gateway, type ServerTls } from './harness/istio-gateway.ts';
import { applyObject, startMeshSide, type MeshSide } from './harness/mesh-side.ts';
import { recordObject, type ObjectHistory } from './harness/object-history.ts';

const OK = 'HTTP/1.1 200 OK';
const PLACE = { namespace: 'istio-ingress', name: 'edge' };
const BROKER_NAMESPACE = 'spire-server';
const SURVEY_SECONDS = 5;

type PeerName = 'north' | 'south';
const PEERS: readonly PeerName[] = ['north', 'south'];

/** How the gateway finds the CA of each, and what the declaration says for it. */
const SERVERS: Readonly<Record<PeerName, { readonly tls: Partial<ServerTls>; readonly gatewayCA: object }>> = {
  north: {
    tls: { credentialName: 'builtin://', caCertCredentialName: `configmap://${BROKER_NAMESPACE}/north-roots` },
    gatewayCA: { configMap: { name: 'north-roots' } },
  },
  south: {
    tls: { credentialName: 'south' },
    gatewayCA: { secret: { namespace: PLACE.namespace, credentialName: 'south' } },
  },
};

describe('the CA objects that a broker keeps for an edge gateway', () => {
  const cleanup = new Cleanup();
  const held = new Map<PeerName, HeldTrustDomain>();
  const ports = new Map<PeerName, number>();
  const objects = new Map<PeerName, ObjectHistory>();
  let east: MeshSide;
  let gateway: Gateway;

  before(async () => {
    east = await startMeshSide(cleanup, 'east.test', { flags: { 'istio-survey-seconds': SURVEY_SECONDS } });
    const { kube } = east;
    await kube.kubectl(['create', 'namespace', PLACE.namespace]);
    const configMap = { resource: 'configmaps', namespace: BROKER_NAMESPACE, name: 'north-roots' } as const;
    const secret = { resource: 'secrets', namespace: PLACE.namespace, name: 'south-cacert' } as const;
    objects.set('north', await recordObject(cleanup, kube, configMap));
    objects.set('south', await recordObject(cleanup, kube, secret));
    for (const peer of PEERS) {
      ports.set(peer, await freePort());
      held.set(peer, await startHeldTrustDomain(cleanup, parseTrustDomain(`${peer}.test`)));
      const istio = { anchors: 'None', gatewayCAs: [SERVERS[peer].gatewayCA] };
      await east.apply(peer, { ...held.get(peer)!.declaration, istio });
    }
  });
  after(() => cleanup.run());

  const idOf = (peer: PeerName) => `spiffe://${peer}.test/ns/shop/sa/orders`;

  async function nameAtGateway(peers: readonly PeerName[]): Promise<void> {
    const servers = peers.map((peer) => ({
      port: { number: ports.get(peer), name: peer, protocol: 'HTTPS' },
      hosts: [`${peer}.example`],
      tls: { mode: 'MUTUAL', subjectAltNames: [idOf(peer)], ...SERVERS[peer].tls },
    }));
    const spec = { selector: { istio: 'edge' }, servers };
    await applyObject(east.kube, { apiVersion: 'networking.istio.io/v1', kind: 'Gateway', metadata: PLACE, spec });
  }

  /** Whether the server of `at` answers a workload of `by` that says it is `id`. */
  async function isAccepted(at: PeerName, by: PeerName, id = idOf(by)): Promise<boolean> {
    const answer = requestByTls(ports.get(at)!, await held.get(by)!.leaf(id));
    return answer.then(
      (line) => line === OK,
      () => false,
    );
  }

  it('are there before the gateway names them', async () => {
    for (const peer of PEERS) {
      const message = await east.waitForMesh(peer, 'AcceptedAtGateways');
      assert.match(message, /mesh config has nothing of it/);
      assert.notEqual(objects.get(peer)!.current(), undefined);
    }
    assert.equal(east.written.current(), undefined);
    await nameAtGateway(PEERS);
    const svid = await makeSvid(east.meshRoot, 'spiffe://east.test/ns/istio-ingress/sa/edge');
    gateway = await startGateway(cleanup, east.kube, PLACE, svid);
  });

  it('let a real gateway accept each peer at its own server, and nobody else there', async () => {
    for (const peer of PEERS) {
      await eventually(`${peer} is accepted`, () => isAccepted(peer, peer));
      const other = PEERS.find((each) => each !== peer)!;
      assert.equal(await isAccepted(peer, other), false);
      assert.equal(await isAccepted(peer, other, idOf(peer)), false);
    }
    assert.equal(gateway.listenerWrites(), 1);
  });

  it('stay while a Gateway names them, though their peers are removed, and let nobody in any more', async (context) => {
    for (const peer of PEERS) await east.remove(peer);
    for (const peer of PEERS) {
      await eventually(`the declaration of ${peer} is gone`, async () => (await east.object(peer)) === undefined);
      await eventually(`${peer} is refused`, async () => !(await isAccepted(peer, peer)));
    }
    await pause(SURVEY_SECONDS * 1_000);
    for (const peer of PEERS) {
      const { data } = objects.get(peer)!.current()!;
      assert.ok(Object.values(data ?? {}).every((value) => value !== ''));
      context.diagnostic(`${peer}: ${objects.get(peer)!.changes()} writes`);
    }
  });

  it('go when no Gateway names them any more', async () => {
    await east.kube.kubectl(['delete', 'gateways.networking.istio.io', PLACE.name, `--namespace=${PLACE.namespace}`]);
    for (const peer of PEERS) {
      await eventually(`the object of ${peer} is gone`, () => objects.get(peer)!.current() === undefined);
    }
  });
});
