// What does an API server make of a write, and which writes does it refuse? (measured on kube-apiserver 1.36.3)
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CONFIG_MAPS } from '../../src/kubernetes/core-resources.ts';
import type { KubeObject, ObjectBody, ObjectMeta } from '../../src/kubernetes/kube-object.ts';
import { LEASES } from '../../src/kubernetes/lease.ts';
import {
  BEACONS,
  beacon,
  beaconRef,
  configMap,
  configMapRef,
  freshName,
  kubeError,
  NAMESPACE,
  versionOf,
  type Subject,
} from './kube-subject.ts';

const OTHER_UID = '11111111-1111-4111-8111-111111111111';

function without(metadata: ObjectMeta, field: 'uid' | 'resourceVersion'): ObjectMeta {
  return { ...Object.fromEntries(Object.entries(metadata).filter(([name]) => name !== field)), name: metadata.name };
}

export function describeWrites(subject: () => Subject): void {
  /** A Beacon as it was before somebody changed it. */
  async function staleBeacon(): Promise<KubeObject> {
    const { api, editAs } = subject();
    const created = await api.create(BEACONS, beacon(freshName()));
    await editAs('kubectl-edit', beaconRef(created.metadata.name), { spec: { height: 9 } });
    return created;
  }
  const withSpec = (object: KubeObject, spec: object): ObjectBody => ({ ...object, spec });

  describe('a new object', () => {
    it('gets a UID, a version and a creation time, and its first generation', async () => {
      const { metadata, spec, kind, apiVersion } = await subject().api.create(BEACONS, beacon(freshName()));
      assert.match(metadata.uid!, /^[0-9a-f-]{36}$/);
      assert.match(versionOf({ metadata, kind, apiVersion }), /^\d+$/);
      assert.match(metadata.creationTimestamp!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      assert.deepEqual([metadata.generation, spec], [1, { colour: 'red' }]);
    });

    it('has no status yet, whatever its author says', async () => {
      const created = await subject().api.create(BEACONS, { ...beacon(freshName()), status: { lit: true } });
      assert.equal(created['status'], undefined);
    });

    it('is refused when there is one of its name', async () => {
      const { api } = subject();
      const { metadata } = await api.create(BEACONS, beacon(freshName()));
      await assert.rejects(api.create(BEACONS, beacon(metadata.name)), kubeError('KubeAlreadyExists', metadata.name));
    });

    it('is refused when its schema does not allow it', async () => {
      const bad = { metadata: { name: freshName() }, spec: { height: 3 } };
      await assert.rejects(subject().api.create(BEACONS, bad), kubeError('KubeInvalid', 'spec.colour: Required value'));
    });

    it('is refused when it comes with a version', async () => {
      const object = beacon(freshName(), {}, { resourceVersion: '1' });
      const says = 'resourceVersion should not be set on objects to be created';
      await assert.rejects(subject().api.create(BEACONS, object), kubeError('KubeServerError', says));
    });
  });

  describe('replace', () => {
    it('changes the newest version, and the generation with the spec alone', async () => {
      const { api } = subject();
      const created = await api.create(BEACONS, beacon(freshName(), { height: 1 }));
      const replaced = await api.replace(BEACONS, withSpec(created, { colour: 'red' }));
      assert.deepEqual([replaced['spec'], replaced.metadata.generation], [{ colour: 'red' }, 2]);
      const labelled = { ...replaced, metadata: { ...replaced.metadata, labels: { a: 'b' } } };
      assert.equal((await api.replace(BEACONS, labelled)).metadata.generation, 2);
      assert.notEqual(versionOf(replaced), versionOf(created));
    });

    it('leaves the status as it is', async () => {
      const { api } = subject();
      const created = await api.create(BEACONS, beacon(freshName()));
      const lit = await api.applyStatus(BEACONS, { ...beacon(created.metadata.name), status: { lit: true } });
      const replaced = await api.replace(BEACONS, { ...lit, status: { lit: false } });
      assert.deepEqual(replaced['status'], { lit: true });
    });

    it('writes nothing when nothing changes', async () => {
      const { api } = subject();
      const created = await api.create(BEACONS, beacon(freshName()));
      assert.equal(versionOf(await api.replace(BEACONS, created)), versionOf(created));
    });

    it('is refused on an older version, without one, and on another object of the name', async () => {
      const { api } = subject();
      const stale = await staleBeacon();
      await assert.rejects(api.replace(BEACONS, stale), kubeError('KubeConflict', 'the object has been modified'));
      const metadata = without(stale.metadata, 'resourceVersion');
      await assert.rejects(
        api.replace(BEACONS, { ...stale, metadata }),
        kubeError('KubeInvalid', 'metadata.resourceVersion: Invalid value: 0: must be specified for an update'),
      );
      const newest = (await api.get(beaconRef(metadata.name)))!;
      const other = { ...newest, metadata: { ...newest.metadata, uid: OTHER_UID } };
      await assert.rejects(api.replace(BEACONS, other), kubeError('KubeConflict', `UID in precondition: ${OTHER_UID}`));
    });

    it('is refused when there is no such object any more', async () => {
      const { api } = subject();
      const gone = await api.create(BEACONS, beacon(freshName()));
      await api.delete(beaconRef(gone.metadata.name));
      await assert.rejects(api.replace(BEACONS, gone), kubeError('KubeNotFound'));
      const metadata = without(gone.metadata, 'uid');
      await assert.rejects(api.replace(BEACONS, { ...gone, metadata }), kubeError('KubeNotFound'));
    });
  });

  describe('a merge patch', () => {
    it('sets and removes what it names, and nothing else', async () => {
      const { api } = subject();
      const { metadata } = await api.create(CONFIG_MAPS, configMap(freshName(), { a: '1', b: '2', c: '3' }));
      const patched = await api.mergePatch(configMapRef(metadata.name), { data: { a: null, b: 'two', d: '4' } });
      assert.deepEqual(patched['data'], { b: 'two', c: '3', d: '4' });
    });

    it('writes nothing when nothing changes', async () => {
      const { api } = subject();
      const created = await api.create(BEACONS, beacon(freshName()));
      const patched = await api.mergePatch(beaconRef(created.metadata.name), { spec: { colour: 'red', height: null } });
      assert.equal(versionOf(patched), versionOf(created));
    });

    it('is refused on an older version, and on another object of the name', async () => {
      const { api } = subject();
      const { metadata } = await staleBeacon();
      const ref = beaconRef(metadata.name);
      const { resourceVersion, uid } = metadata;
      const patch = (precondition: object) => api.mergePatch(ref, { metadata: precondition, spec: { height: 4 } });
      await assert.rejects(patch({ resourceVersion }), kubeError('KubeConflict', 'the object has been modified'));
      await assert.rejects(patch({ uid: OTHER_UID }), kubeError('KubeInvalid', 'metadata.uid: Invalid value'));
      assert.deepEqual((await patch({ uid }))['spec'], { colour: 'red', height: 4 });
    });

    it('is refused where there is nothing to patch', async () => {
      await assert.rejects(subject().api.mergePatch(beaconRef(freshName()), {}), kubeError('KubeNotFound'));
    });

    it('of the status, by the main resource, changes nothing', async () => {
      const { api } = subject();
      const created = await api.create(BEACONS, beacon(freshName()));
      const patched = await api.mergePatch(beaconRef(created.metadata.name), { status: { lit: true } });
      assert.deepEqual([patched['status'], versionOf(patched)], [undefined, versionOf(created)]);
    });
  });

  describe('a JSON patch', () => {
    const raise = { op: 'add', path: '/spec/height', value: 7 } as const;

    it('changes the version that it was made for', async () => {
      const { api } = subject();
      const created = await api.create(BEACONS, beacon(freshName(), {}, { labels: { 'a/b': '1' } }));
      const operations = [raise, { op: 'remove', path: '/metadata/labels/a~1b' }] as const;
      const patched = await api.jsonPatch(beaconRef(created.metadata.name), versionOf(created), operations);
      assert.deepEqual([patched['spec'], patched.metadata.labels], [{ colour: 'red', height: 7 }, undefined]);
    });

    it('is refused on an older version', async () => {
      const stale = await staleBeacon();
      const ref = beaconRef(stale.metadata.name);
      await assert.rejects(
        subject().api.jsonPatch(ref, versionOf(stale), [raise]),
        kubeError('KubeConflict', 'the object has been modified'),
      );
    });

    it('is refused when a test fails or a path is not there, and changes nothing', async () => {
      const { api } = subject();
      const created = await api.create(BEACONS, beacon(freshName()));
      const ref = beaconRef(created.metadata.name);
      const patch = (operation: Parameters<typeof api.jsonPatch>[2][number]) =>
        api.jsonPatch(ref, versionOf(created), [raise, operation]);
      await assert.rejects(patch({ op: 'test', path: '/spec/colour', value: 'blue' }), kubeError('KubeInvalid'));
      await assert.rejects(patch({ op: 'remove', path: '/spec/depth' }), kubeError('KubeInvalid'));
      assert.deepEqual(await api.get(ref), created);
    });
  });

  describe('a Lease', () => {
    const lease = (name: string, spec: object): ObjectBody => ({ metadata: { name, namespace: NAMESPACE }, spec });

    it('is refused with no duration, and with a time that has no six digits', async () => {
      const { api } = subject();
      const create = (spec: object) => api.create(LEASES, lease(freshName(), { holderIdentity: 'a', ...spec }));
      await assert.rejects(
        create({ leaseDurationSeconds: 0 }),
        kubeError('KubeInvalid', 'spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0'),
      );
      await assert.rejects(create({ renewTime: '2040-01-01T00:00:00.123Z' }), kubeError('KubeInvalid', 'cannot parse'));
    });

    it('is taken by one of two that read the same version', async () => {
      const { api } = subject();
      const free = await api.create(LEASES, lease(freshName(), { leaseDurationSeconds: 1 }));
      const take = (holderIdentity: string) => api.replace(LEASES, withSpec(free, { holderIdentity }));
      const outcomes = await Promise.allSettled([take('a'), take('b')]);
      assert.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
      const lost = outcomes.find((outcome) => outcome.status === 'rejected');
      assert.ok(kubeError('KubeConflict', 'the object has been modified')(lost?.reason));
    });

    it('that somebody deleted is not written again by its last holder', async () => {
      const { api } = subject();
      const held = await api.create(LEASES, lease(freshName(), { holderIdentity: 'a' }));
      const ref = { resource: LEASES, namespace: NAMESPACE, name: held.metadata.name };
      await api.delete(ref);
      await assert.rejects(api.replace(LEASES, held), kubeError('KubeConflict', 'UID in object meta: '));
      assert.equal(await api.get(ref), undefined);
    });
  });
}
