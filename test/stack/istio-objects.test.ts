// Does a real API server keep the mesh's objects as we say, ours alone, and those of others untouched?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { GatewayCaRefs } from '../../src/broker/gateway-ca-refs.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { systemClock } from '../../src/federation/clock.ts';
import type { MeshObject, MeshObjectRef } from '../../src/federation/mesh-objects.ts';
import type { CodedError } from '../../src/federation/ports.ts';
import { FIELD_MANAGER, openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import { CONFIG_MAPS } from '../../src/kubernetes/core-resources.ts';
import { MeshResources, type MeshResourcesParts } from '../../src/kubernetes/mesh-objects.ts';
import { gatewayCaContent } from '../../src/istio/gateway-ca-content.ts';
import { NORTH, ROOTS } from '../federation/samples.ts';
import { freshName, kubeError, NAMESPACE } from '../contract/kube-subject.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { startKubeApiServer, type KubeApiServer } from './harness/kube-api-server.ts';

const CONTENT = { data: { mesh: 'caCertificates:\n  - trustDomains: [west.test]\n' }, annotations: {} };
const OUR_MARKS = {
  'f:metadata': {
    'f:annotations': { 'f:fedbroker.dev/broker-of': {} },
    'f:labels': { 'f:app.kubernetes.io/managed-by': {} },
  },
};
/** The longest there is: more than a label can hold. */
const EAST = parseTrustDomain(`${'east'.repeat(62)}.test`.slice(-255));
const WEST = parseTrustDomain('west.test');

interface ShownObject {
  readonly metadata: {
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly managedFields?: readonly {
      readonly manager: string;
      readonly operation: string;
      readonly fieldsV1: object;
    }[];
  };
  readonly type?: string;
  readonly data?: Readonly<Record<string, string>>;
}

describe('the objects of the mesh on a real API server', () => {
  const cleanup = new Cleanup();
  let server: KubeApiServer;
  let api: ApiServer;
  let parts: Omit<MeshResourcesParts, 'ownTrustDomain'>;
  let objects: MeshResources;
  let ofWest: MeshResources;

  before(async () => {
    server = await startKubeApiServer(cleanup, { name: 'mesh' });
    api = await openApiServer({ access: { path: server.kubeconfigPath }, clock: systemClock, timeoutMs: 10_000 });
    cleanup.add(() => {
      api.close();
    });
    const onFault = (error: unknown) => {
      throw error;
    };
    parts = { api, clock: systemClock, random: () => 0.1, onFault };
    objects = new MeshResources({ ...parts, ownTrustDomain: EAST });
    ofWest = new MeshResources({ ...parts, ownTrustDomain: WEST });
  });
  after(() => cleanup.run());

  const fresh = (kind: MeshObjectRef['kind'] = 'ConfigMap'): MeshObjectRef => {
    return { kind, namespace: NAMESPACE, name: freshName() };
  };
  const shown = ({ kind, name }: MeshObjectRef) =>
    server.kubectlJson<ShownObject>(['get', kind, name, '--show-managed-fields']);
  const ownersOf = ({ metadata: { managedFields = [] } }: ShownObject) =>
    managedFields.map(({ manager, operation, fieldsV1 }) => [manager, operation, fieldsV1]);
  const editByHand = ({ kind, name }: MeshObjectRef, patch: object, manager = 'kubectl-edit') =>
    server.kubectl(['patch', kind, name, '--type=merge', `--field-manager=${manager}`, '-p', JSON.stringify(patch)]);

  /** What the watch of the object told, oldest first. */
  function follow(ref: MeshObjectRef): readonly (MeshObject | CodedError | undefined)[] {
    const told: (MeshObject | CodedError | undefined)[] = [];
    const stop = new AbortController();
    const running = objects.watch(ref, (found) => told.push(found), stop.signal);
    cleanup.add(async () => {
      stop.abort();
      await running;
    });
    return told;
  }

  it('owns the key of our ConfigMap, our label and our annotation, and nothing else', async () => {
    const ref = fresh();
    await objects.apply(ref, CONTENT);
    const owned = { ...OUR_MARKS, 'f:data': { 'f:mesh': {} } };
    assert.deepEqual(ownersOf(await shown(ref)), [[FIELD_MANAGER, 'Apply', owned]]);
  });

  it('owns the key of our Secret, our label and our annotation, and nothing else', async () => {
    const ref = fresh('Secret');
    await objects.apply(ref, { data: { 'ca.crt': 'PEM' }, annotations: {} });
    const secret = await shown(ref);
    const owned = { ...OUR_MARKS, 'f:data': { 'f:ca.crt': {} } };
    assert.deepEqual(ownersOf(secret), [[FIELD_MANAGER, 'Apply', owned]]);
    assert.deepEqual([secret.type, secret.data], ['Opaque', { 'ca.crt': Buffer.from('PEM').toString('base64') }]);
    const { data } = await objects.apply(ref, { data: { 'ca.crt': 'PEM 2' }, annotations: {} });
    assert.deepEqual(data, { 'ca.crt': 'PEM 2' });
  });

  it('writes nothing when it says the same again', async () => {
    const ref = fresh();
    const { resourceVersion } = await objects.apply(ref, CONTENT);
    assert.equal((await objects.apply(ref, CONTENT)).resourceVersion, resourceVersion);
    assert.equal((await objects.apply(ref, CONTENT, { takeBack: true })).resourceVersion, resourceVersion);
  });

  it('sees who edits it, is refused, and has it back as it was when asked to take it back', async () => {
    const ref = fresh();
    await objects.apply(ref, CONTENT);
    const ours = ownersOf(await shown(ref));
    const told = follow(ref);
    await editByHand(ref, { data: { mesh: 'theirs' } });
    await eventually('the watch names the editor', () => {
      const last = told.at(-1);
      return last !== undefined && 'data' in last && last.otherManagers.includes('kubectl-edit');
    });
    await assert.rejects(objects.apply(ref, CONTENT), kubeError('KubeApplyConflict', 'kubectl-edit'));
    const { data, otherManagers } = await objects.apply(ref, CONTENT, { takeBack: true });
    assert.deepEqual([data, otherManagers], [CONTENT.data, []]);
    assert.deepEqual(ownersOf(await shown(ref)), ours);
  });

  it('takes back what another applied by force, as Argo CD and Flux do', async () => {
    const ref = fresh();
    await objects.apply(ref, CONTENT);
    const metadata = { name: ref.name, namespace: NAMESPACE };
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { mesh: 'theirs' } });
    const flags = ['--server-side', '--force-conflicts', '--field-manager=argocd-controller'];
    await server.kubectl(['apply', ...flags, '-f', '-'], { input });
    await assert.rejects(objects.apply(ref, CONTENT), kubeError('KubeApplyConflict', 'argocd-controller'));
    const { data, otherManagers } = await objects.apply(ref, CONTENT, { takeBack: true });
    assert.deepEqual([data, otherManagers], [CONTENT.data, []]);
  });

  it('finds no conflict where an editor has come to say the same', async () => {
    const ref = fresh();
    await objects.apply(ref, CONTENT);
    await editByHand(ref, { data: { mesh: 'theirs' } });
    await editByHand(ref, { data: CONTENT.data });
    assert.deepEqual((await objects.apply(ref, CONTENT)).data, CONTENT.data);
  });

  it('takes away a key that others added, when asked', async () => {
    const ref = fresh();
    await objects.apply(ref, CONTENT);
    await editByHand(ref, { data: { meshNetworks: 'networks: {}' } }, 'helm');
    await assert.rejects(objects.apply(ref, CONTENT), kubeError('KubeApplyConflict', '"helm"'));
    const { data } = await objects.apply(ref, CONTENT, { takeBack: true });
    assert.deepEqual(data, CONTENT.data);
  });

  it('sees its deletion at once, and restores it with the same bytes', async () => {
    const ref = fresh();
    const told = follow(ref);
    await eventually('its absence is told', () => told.length === 1 && told[0] === undefined);
    await objects.apply(ref, CONTENT);
    await eventually('it is told', () => told.length === 2);
    const before = await shown(ref);
    await server.kubectl(['delete', 'configmap', ref.name]);
    const deletedAt = performance.now();
    await eventually('its absence is told again', () => told.length === 3 && told[2] === undefined);
    await objects.apply(ref, CONTENT);
    assert.ok(performance.now() - deletedAt < 2_000);
    const restored = await shown(ref);
    assert.deepEqual([restored.data, restored.metadata.labels], [before.data, before.metadata.labels]);
  });

  it('leaves an object without our label as it is, byte for byte', async () => {
    const ref = fresh();
    await server.kubectl(['create', 'configmap', ref.name, '--from-literal=other=1']);
    const before = await shown(ref);
    for (const takeBack of [false, true]) {
      await assert.rejects(objects.apply(ref, CONTENT, { takeBack }), kubeError('KubeAlreadyExists', 'not ours'));
    }
    await assert.rejects(objects.delete({ ...ref, uid: before.metadata.uid }), kubeError('KubeAlreadyExists'));
    assert.deepEqual(await shown(ref), before);
  });

  it('are each of one broker where brokers of two trust domains share a namespace', async () => {
    const [east, west] = [fresh(), fresh()];
    const caOf = (peer: string) => gatewayCaContent(parseTrustDomain(peer), [ROOTS.get(NORTH)![0]!]);
    await objects.apply(east, caOf('north.test'));
    await ofWest.apply(west, caOf('south.test'));
    const signal = new AbortController().signal;
    for (const [by, own, other] of [
      [objects, east, west],
      [ofWest, west, east],
    ] as const) {
      // What an earlier life of the broker left is found so, and deleted when no peer asks for it.
      const refs = new GatewayCaRefs(by, NAMESPACE);
      await refs.look(signal);
      assert.deepEqual([refs.failures, [...refs.refs.values()].map(({ name }) => name)], [[], [own.name]]);
      const before = await shown(other);
      for (const takeBack of [false, true]) {
        await assert.rejects(by.apply(other, CONTENT, { takeBack }), kubeError('KubeAlreadyExists', 'broker-of'));
      }
      await assert.rejects(by.delete({ ...other, uid: before.metadata.uid }), kubeError('KubeAlreadyExists'));
      assert.deepEqual(await shown(other), before);
    }
  });

  it('are of the first where brokers of many trust domains make one at once, and the others change nothing', async () => {
    const ref = fresh();
    const brokers = Array.from({ length: 8 }, (_, number) => parseTrustDomain(`side${number}.test`));
    const tried = await Promise.allSettled(
      brokers.map((ownTrustDomain) => {
        const content = { data: { mesh: `caCertificates: [] # ${ownTrustDomain}\n` }, annotations: {} };
        return new MeshResources({ ...parts, ownTrustDomain }).apply(ref, content, { takeBack: true });
      }),
    );
    const [winner, ...others] = tried.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    assert.deepEqual(others, []);
    const refusals = tried.flatMap((each) => (each.status === 'rejected' ? [each.reason as CodedError] : []));
    assert.deepEqual([...new Set(refusals.map(({ code }) => code))], ['KubeAlreadyExists']);
    const { metadata, data } = await api.get({ ...ref, resource: CONFIG_MAPS }).then((found) => found!);
    assert.deepEqual([data, metadata.resourceVersion], [winner?.data, winner?.resourceVersion]);
  });

  it('takes over an object that an earlier version made, which did not say for whom', async () => {
    const ref = fresh();
    await objects.apply(ref, CONTENT);
    await server.kubectl(['annotate', 'configmap', ref.name, 'fedbroker.dev/broker-of-']);
    assert.equal((await objects.apply(ref, CONTENT)).brokerOf, EAST);
    await assert.rejects(ofWest.apply(ref, CONTENT), kubeError('KubeAlreadyExists', 'broker-of'));
  });

  it('replaces one key of an object of others, unless it has changed since', async () => {
    const ref = fresh();
    await server.kubectl(['create', 'configmap', ref.name, '--from-literal=mesh=a', '--from-literal=meshNetworks=b']);
    const told = follow(ref);
    await eventually('it is told', () => told.length === 1);
    const read = told[0] as MeshObject;
    const change = { key: 'mesh', text: 'c', annotations: { 'fedbroker.dev/entries': 'd' } };
    const { data, annotations } = await objects.replaceKey(read, change);
    assert.deepEqual(
      [data, annotations],
      [
        { mesh: 'c', meshNetworks: 'b' },
        { ...change.annotations, 'fedbroker.dev/broker-of': EAST },
      ],
    );
    await assert.rejects(objects.replaceKey(read, change), kubeError('KubeConflict'));
  });

  it('deletes only the very object that was meant', async () => {
    const ref = fresh();
    const first = await objects.apply(ref, CONTENT);
    await objects.delete(first);
    const second = await objects.apply(ref, CONTENT);
    await objects.delete(first);
    assert.equal((await shown(ref)).metadata.uid, second.uid);
    await objects.delete(second);
    assert.equal(await api.get({ ...ref, resource: CONFIG_MAPS }), undefined);
  });
});
