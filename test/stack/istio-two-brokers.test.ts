// Do brokers of two trust domains in one cluster leave each other's objects alone, also when they want the same one at once?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { stringify } from 'yaml';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { parseMeshContent } from '../../src/istio/mesh-content.ts';
import { BROKER_OF } from '../../src/kubernetes/managed-by.ts';
import { PEER_TRUST_DOMAIN } from '../../src/kubernetes/peer-trust-domain.ts';
import { makeRoot } from '../fakes/fake-ca.ts';
import { startBroker, type BrokerFlags } from './harness/broker.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { startHeldTrustDomain, type HeldTrustDomain } from './harness/held-trust-domain.ts';
import { conditionOf } from './harness/kube-side.ts';
import { applyObject, startMeshSide, type MeshSide } from './harness/mesh-side.ts';
import { recordObject, type ObjectHistory } from './harness/object-history.ts';
import { startSpireServer, type SpireServer } from './harness/spire-server.ts';
import { ISTIO_NAMESPACE } from './harness/write-mesh.ts';

const EAST = 'east.test';
const WEST = 'west.test';
/** Of both brokers, and so of the CA ConfigMaps of both. */
const BROKER_NAMESPACE = 'spire-server';
const ISTIO_OF_WEST = 'istio-west';
const CONFIG_MAP = 'istio-federation';
/** Longer than a broker's next look at what it was refused. */
const SETTLED_MS = 3_000;
const SOON: BrokerFlags = {
  ...{ 'refresh-min-seconds': 1, 'refresh-max-seconds': 1, 'refresh-default-seconds': 1, 'long-poll-seconds': 'off' },
  ...{ 'istio-list-interval-seconds': 0, 'istio-root-interval-seconds': 0, 'istio-survey-seconds': 5 },
};

describe('brokers of two trust domains in one cluster', () => {
  const cleanup = new Cleanup();
  let east: MeshSide;
  let serverOfWest: SpireServer;
  let north: HeldTrustDomain;

  before(async () => {
    [east, serverOfWest, north] = await Promise.all([
      startMeshSide(cleanup, EAST),
      startSpireServer(cleanup, WEST),
      startHeldTrustDomain(cleanup, parseTrustDomain('north.test')),
    ]);
  });
  after(() => cleanup.run());

  const startWest = (name: string, flags: BrokerFlags) => {
    const settings = {
      ...{ kubernetes: 'kubeconfig', kubeconfig: east.kube.kubeconfigPath, 'kubernetes-namespace': BROKER_NAMESPACE },
      ...{ 'lease-name': 'fedbroker-west', 'replica-identity': name, istio: 'shared-config' },
    };
    return startBroker(cleanup, serverOfWest, { ...SOON, ...settings, ...flags }, name);
  };

  /** A peer of one of the two brokers. */
  async function declare(name: string, brokerOf: string, istio: object): Promise<void> {
    const { group, version, kind } = PEER_TRUST_DOMAIN;
    const metadata = { name, annotations: { [BROKER_OF]: brokerOf } };
    const spec = { ...north.declaration, istio };
    await applyObject(east.kube, { apiVersion: `${group}/${version}`, kind, metadata, spec });
  }

  const inMesh = async (name: string) => {
    const found = await east.object(name);
    return found && conditionOf(found, 'MeshInjected');
  };
  const ownersOf = ({ versions }: ObjectHistory, since = 0) => [
    ...new Set(versions.slice(since).flatMap(({ object }) => object?.metadata.annotations?.[BROKER_OF] ?? [])),
  ];

  describe('that are set to write one and the same ConfigMap', () => {
    it('let the first have it, and the other says whose it is and changes nothing', async () => {
      const west = await startWest('same-mesh', {});
      await Promise.all([EAST, WEST].map((of) => declare(`north-of-${of}`, of, { anchors: 'Constrained' })));
      const [lost, message] = await eventually('one of the two is told that it is the other’s', async () => {
        for (const of of [EAST, WEST]) {
          const told = await inMesh(`north-of-${of}`);
          if (told?.reason === 'OwnershipConflict') return [of, told.message] as const;
        }
        return undefined;
      });
      const owner = lost === EAST ? WEST : EAST;
      assert.match(message, new RegExp(`is kept by the broker of ${owner}`));
      await pause(SETTLED_MS);
      assert.deepEqual([ownersOf(east.written), east.written.changes()], [[owner], 1]);

      // Nobody's for a moment, and both want it.
      const before = east.written.versions.length;
      await east.kube.kubectl(['delete', 'configmap', CONFIG_MAP, `--namespace=${ISTIO_NAMESPACE}`]);
      await eventually('it is there again', () => east.written.versions.length > before + 1);
      await pause(SETTLED_MS);
      assert.equal(ownersOf(east.written, before).length, 1);
      assert.equal(east.written.versions.length, before + 2);
      await west.end();
      await east.kube.kubectl(['delete', 'configmap', CONFIG_MAP, `--namespace=${ISTIO_NAMESPACE}`]);
      await eventually('east has it alone', () => ownersOf(east.written, before + 3).join('') === EAST);
    });
  });

  describe('each with a mesh of its own', () => {
    let mesh: ObjectHistory;
    const cas = new Map<string, ObjectHistory>();

    before(async () => {
      const { kube } = east;
      await kube.kubectl(['create', 'namespace', ISTIO_OF_WEST]);
      const metadata = { name: 'istio', namespace: ISTIO_OF_WEST };
      const data = { mesh: stringify({ trustDomain: WEST }) };
      await applyObject(kube, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data });
      const place = { resource: 'configmaps', namespace: ISTIO_OF_WEST, name: CONFIG_MAP } as const;
      mesh = await recordObject(cleanup, kube, place);
      for (const name of ['ca-of-east', 'ca-of-west']) {
        cas.set(name, await recordObject(cleanup, kube, { ...place, namespace: BROKER_NAMESPACE, name }));
      }
      await startWest('own-mesh', { 'istio-namespace': ISTIO_OF_WEST, 'istio-revisions': 'default' });
    });

    const meshNames = ({ current }: ObjectHistory) =>
      parseMeshContent(current()?.data?.['mesh'] ?? '').content.trustDomains.join(' ');
    const writes = () => [east.written, mesh, ...cas.values()].map(({ changes }) => changes());

    it('write their ConfigMaps, and CA objects in one namespace', async () => {
      for (const [of, ca] of [
        [EAST, 'ca-of-east'],
        [WEST, 'ca-of-west'],
      ] as const) {
        await declare(`north-of-${of}`, of, { anchors: 'Constrained', gatewayCAs: [{ configMap: { name: ca } }] });
      }
      await eventually('all are there', () => {
        return (
          [east.written, mesh].every((each) => meshNames(each) === 'north.test') && [...cas.values()].every(isThere)
        );
      });
      assert.deepEqual(
        [mesh, cas.get('ca-of-east')!, cas.get('ca-of-west')!].map((each) => ownersOf(each)),
        [[WEST], [EAST], [WEST]],
      );
    });

    it('refuse a CA object that is the other’s, and leave it as it is', async () => {
      const before = writes();
      const clash = { anchors: 'Constrained', gatewayCAs: [{ configMap: { name: 'ca-of-east' } }] };
      await declare(`north-of-${WEST}`, WEST, clash);
      const told = await eventually('the broker of west says so', async () => {
        const condition = await inMesh(`north-of-${WEST}`);
        return condition?.reason === 'OwnershipConflict' ? condition.message : undefined;
      });
      assert.match(told, /ca-of-east is kept by the broker of east\.test/);
      await eventually('its own is given up', () => !isThere(cas.get('ca-of-west')!));
      await pause(SETTLED_MS);
      assert.deepEqual(writes().slice(0, 3), before.slice(0, 3));
    });

    it('rotate and take away what is their own alone', async () => {
      const [ofEast, ofWest] = [east.written.changes(), mesh.changes()];
      await east.kube.kubectl(['delete', `${PEER_TRUST_DOMAIN.plural}.${PEER_TRUST_DOMAIN.group}`, `north-of-${WEST}`]);
      await eventually('the mesh of west has nothing of it', () => meshNames(mesh) === '');
      assert.deepEqual([east.written.changes(), mesh.changes() > ofWest], [ofEast, true]);
      const written = mesh.changes();
      north.publish([north.root.der, (await makeRoot(north.trustDomain)).der]);
      await eventually('east has both roots', () => east.published().anchors === 2);
      await pause(SETTLED_MS);
      assert.deepEqual([mesh.changes(), isThere(cas.get('ca-of-east')!)], [written, true]);
    });
  });
});

function isThere({ current }: ObjectHistory): boolean {
  return current() !== undefined;
}
