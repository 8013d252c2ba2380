// When is an object gone? Preconditions, finalizers and the time of its deletion. (measured on kube-apiserver 1.36.3)
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { BEACONS, beacon, beaconRef, freshName, kubeError, versionOf, type Subject } from './kube-subject.ts';

const HOLD = 'stack.test/hold';
const KEEP = 'stack.test/keep';
const OTHER_UID = '11111111-1111-4111-8111-111111111111';

export function describeDeletions(subject: () => Subject): void {
  async function heldBeacon(...finalizers: readonly string[]) {
    const { metadata } = await subject().api.create(BEACONS, beacon(freshName(), {}, { finalizers }));
    return beaconRef(metadata.name);
  }

  it('removes the object, and says whether there was one', async () => {
    const { api } = subject();
    const ref = await heldBeacon();
    assert.equal(await api.delete(ref), true);
    assert.equal(await api.get(ref), undefined);
    assert.equal(await api.delete(ref), false);
  });

  it('leaves a later object of the same name alone', async () => {
    const { api } = subject();
    const ref = await heldBeacon();
    const { metadata } = (await api.get(ref))!;
    const says = `the UID in the precondition (${OTHER_UID}) does not match the UID in record (${metadata.uid!})`;
    await assert.rejects(api.delete({ ...ref, uid: OTHER_UID }), kubeError('KubeConflict', says));
    assert.ok(await api.get(ref));
    assert.equal(await api.delete({ ...ref, uid: metadata.uid! }), true);
  });

  it('only marks what has a finalizer, once', async () => {
    const { api } = subject();
    const ref = await heldBeacon(HOLD);
    assert.equal(await api.delete(ref), true);
    const marked = (await api.get(ref))!;
    assert.match(marked.metadata.deletionTimestamp!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.deepEqual([marked.metadata.finalizers, marked.metadata.generation], [[HOLD], 2]);
    assert.equal(await api.delete(ref), true);
    assert.equal(versionOf((await api.get(ref))!), versionOf(marked));
  });

  it('is done when the last finalizer is taken away, in whichever way', async () => {
    const { api } = subject();
    const [patched, replaced, jsonPatched] = [await heldBeacon(HOLD), await heldBeacon(HOLD), await heldBeacon(HOLD)];
    for (const ref of [patched, replaced, jsonPatched]) await api.delete(ref);
    await api.mergePatch(patched, { metadata: { finalizers: null } });
    const object = (await api.get(replaced))!;
    await api.replace(BEACONS, { ...object, metadata: { ...object.metadata, finalizers: [] } });
    const version = versionOf((await api.get(jsonPatched))!);
    await api.jsonPatch(jsonPatched, version, [{ op: 'remove', path: '/metadata/finalizers/0' }]);
    for (const ref of [patched, replaced, jsonPatched]) assert.equal(await api.get(ref), undefined);
  });

  it('is done only when nobody holds the object any more', async () => {
    const { api } = subject();
    const ref = await heldBeacon(HOLD, KEEP);
    await api.delete(ref);
    const left = await api.mergePatch(ref, { metadata: { finalizers: [KEEP] } });
    assert.deepEqual(left.metadata.finalizers, [KEEP]);
    await api.mergePatch(ref, { metadata: { finalizers: [] } });
    assert.equal(await api.get(ref), undefined);
  });

  it('is not held up by a finalizer that comes too late', async () => {
    const { api } = subject();
    const ref = await heldBeacon(HOLD);
    await api.delete(ref);
    await assert.rejects(
      api.mergePatch(ref, { metadata: { finalizers: [HOLD, KEEP] } }),
      kubeError('KubeInvalid', 'no new finalizers can be added if the object is being deleted'),
    );
  });

  it('leaves the status and the spec open to writes until the object is gone', async () => {
    const { api } = subject();
    const ref = await heldBeacon(HOLD);
    await api.delete(ref);
    const { name } = ref;
    const { status } = await api.applyStatus(BEACONS, { metadata: { name }, status: { lit: true } });
    const { spec, metadata } = await api.mergePatch(ref, { spec: { height: 3 } });
    assert.deepEqual([status, spec], [{ lit: true }, { colour: 'red', height: 3 }]);
    assert.ok(metadata.deletionTimestamp);
  });

  it('makes room for a new object of the name, with a UID of its own', async () => {
    const { api } = subject();
    const ref = await heldBeacon();
    const { metadata } = (await api.get(ref))!;
    await api.delete(ref);
    const again = await api.create(BEACONS, beacon(ref.name));
    assert.notEqual(again.metadata.uid, metadata.uid);
  });
}
