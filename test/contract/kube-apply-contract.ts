// Whose field is it? What server-side apply changes, leaves and refuses. (measured on kube-apiserver 1.36.3)
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { FIELD_MANAGER } from '../../src/kubernetes/api-server.ts';
import { VERSION_OF_NO_OBJECT } from '../../src/kubernetes/kube-object.ts';
import { BEACONS, beacon, beaconRef, freshName, kubeError, versionOf, type Subject } from './kube-subject.ts';

const OTHER_UID = '11111111-1111-4111-8111-111111111111';

export function describeApplies(subject: () => Subject): void {
  it('creates what is not there, under our field manager', async () => {
    const name = freshName();
    const { metadata, spec } = await subject().api.apply(BEACONS, beacon(name));
    assert.deepEqual([spec, metadata.generation], [{ colour: 'red' }, 1]);
    const owners = metadata.managedFields as readonly { manager: string; operation: string }[];
    assert.deepEqual(
      owners.map(({ manager, operation }) => [manager, operation]),
      [[FIELD_MANAGER, 'Apply']],
    );
  });

  it('writes nothing the second time', async () => {
    const { api } = subject();
    const name = freshName();
    const object = beacon(name, { height: 3 }, { labels: { a: 'b' } });
    const first = await api.apply(BEACONS, object);
    assert.equal(versionOf(await api.apply(BEACONS, object)), versionOf(first));
    const status = { ...beacon(name), status: { lit: true } };
    const lit = await api.applyStatus(BEACONS, status);
    assert.notEqual(versionOf(lit), versionOf(first));
    assert.equal(versionOf(await api.applyStatus(BEACONS, status)), versionOf(lit));
  });

  it('removes what it said before and no longer says, and leaves what others say', async () => {
    const { api, editAs } = subject();
    const name = freshName();
    await api.apply(BEACONS, beacon(name, { height: 3 }));
    await editAs('kubectl-edit', beaconRef(name), { metadata: { labels: { mine: 'yes' } } });
    const { spec, metadata } = await api.apply(BEACONS, beacon(name));
    assert.deepEqual([spec, metadata.labels], [{ colour: 'red' }, { mine: 'yes' }]);
  });

  it('shares a field with who says the same, and leaves it when one of both no longer says it', async () => {
    const { api, applyAs } = subject();
    const name = freshName();
    await applyAs('first', beacon(name, { height: 3 }));
    await api.apply(BEACONS, beacon(name, { height: 3 }));
    assert.deepEqual((await api.apply(BEACONS, beacon(name)))['spec'], { colour: 'red', height: 3 });
    await applyAs('first', beacon(name));
    assert.deepEqual((await api.get(beaconRef(name)))?.['spec'], { colour: 'red' });
  });

  it('is refused over the field of another who applied, names both, and changes nothing', async () => {
    const { api, applyAs } = subject();
    const name = freshName();
    await applyAs('first', beacon(name, { height: 3 }));
    const before = await api.get(beaconRef(name));
    await assert.rejects(
      api.apply(BEACONS, beacon(name, { height: 7 })),
      kubeError('KubeApplyConflict', /"conflict with \\"first\\"" at "\.spec\.height"/),
    );
    assert.deepEqual(await api.get(beaconRef(name)), before);
  });

  it('is refused over the fields of another who wrote them in another way', async () => {
    const { api, editAs } = subject();
    const name = freshName();
    await api.apply(BEACONS, beacon(name));
    await editAs('kubectl-edit', beaconRef(name), { spec: { height: 3 }, metadata: { labels: { a: '1' } } });
    await assert.rejects(
      api.apply(BEACONS, beacon(name, { height: 7 }, { labels: { a: '2' } })),
      kubeError('KubeApplyConflict', /2 conflicts.*\\"kubectl-edit\\" using stack\.test\/v1.*" at "\.spec\.height"/),
    );
  });

  it('is refused over our own field where we wrote it in another way', async () => {
    const { api } = subject();
    const name = freshName();
    await api.create(BEACONS, beacon(name, { height: 3 }));
    await assert.rejects(
      api.apply(BEACONS, beacon(name, { height: 7 })),
      kubeError('KubeApplyConflict', `\\"${FIELD_MANAGER}\\" using stack.test/v1`),
    );
  });

  it('takes back by force what another wrote, and is the only one to say it then', async () => {
    const { api, editAs } = subject();
    const name = freshName();
    await api.apply(BEACONS, beacon(name, { height: 3 }));
    await editAs('kubectl-edit', beaconRef(name), { spec: { height: 5 } });
    await assert.rejects(api.apply(BEACONS, beacon(name, { height: 3 })), kubeError('KubeApplyConflict'));
    const { spec, metadata } = await api.apply(BEACONS, beacon(name, { height: 3 }), { takeBack: true });
    const owners = metadata.managedFields as readonly { manager: string }[];
    assert.deepEqual([spec, owners.map(({ manager }) => manager)], [{ colour: 'red', height: 3 }, [FIELD_MANAGER]]);
  });

  it('is refused on an older version, and on another object of the name', async () => {
    const { api } = subject();
    const name = freshName();
    const { metadata } = await api.apply(BEACONS, beacon(name));
    await api.apply(BEACONS, beacon(name, { height: 3 }));
    const apply = (precondition: object) => api.apply(BEACONS, beacon(name, { height: 4 }, precondition));
    await assert.rejects(apply({ resourceVersion: metadata.resourceVersion }), kubeError('KubeConflict', 'modified'));
    await assert.rejects(apply({ uid: OTHER_UID }), kubeError('KubeInvalid', 'metadata.uid: Invalid value'));
    assert.deepEqual((await apply({ uid: metadata.uid }))['spec'], { colour: 'red', height: 4 });
  });

  it('with the version of no object makes one, and is refused where there is one', async () => {
    const { api } = subject();
    const object = beacon(freshName(), {}, { resourceVersion: VERSION_OF_NO_OBJECT });
    const made = await api.apply(BEACONS, object);
    for (const takeBack of [false, true]) {
      await assert.rejects(api.apply(BEACONS, object, { takeBack }), kubeError('KubeConflict', 'modified'));
    }
    const again = beacon(freshName(), {}, { resourceVersion: VERSION_OF_NO_OBJECT });
    const tried = await Promise.allSettled(Array.from({ length: 5 }, () => api.apply(BEACONS, again)));
    assert.equal(tried.filter(({ status }) => status === 'fulfilled').length, 1);
    assert.notEqual(made.metadata.resourceVersion, VERSION_OF_NO_OBJECT);
  });

  it('is refused when its schema does not allow it', async () => {
    const { api } = subject();
    const bad = { metadata: { name: freshName() }, spec: { height: 3 } };
    await assert.rejects(api.apply(BEACONS, bad), kubeError('KubeInvalid', 'spec.colour: Required value'));
  });

  it('of a status changes the status alone, and no generation', async () => {
    const { api } = subject();
    const name = freshName();
    await api.create(BEACONS, beacon(name));
    const body = { metadata: { name, labels: { a: 'b' } }, spec: { colour: 'blue' }, status: { lit: true } };
    const { spec, status, metadata } = await api.applyStatus(BEACONS, body);
    assert.deepEqual([spec, status, metadata.generation], [{ colour: 'red' }, { lit: true }, 1]);
    assert.equal(metadata.labels, undefined);
  });

  it('of a status is refused when it takes back all that it said', async () => {
    const { api } = subject();
    const name = freshName();
    await api.create(BEACONS, beacon(name));
    await api.applyStatus(BEACONS, { metadata: { name }, status: { lit: true } });
    await assert.rejects(
      api.applyStatus(BEACONS, { metadata: { name }, status: {} }),
      kubeError('KubeInvalid', 'status: Invalid value'),
    );
  });

  it('is refused with the UID of an object that is gone', async () => {
    const object = beacon(freshName(), {}, { uid: OTHER_UID });
    await assert.rejects(subject().api.apply(BEACONS, object), kubeError('KubeConflict', 'uid mismatch'));
  });

  it('of a status and of the rest do not take from each other what they say', async () => {
    const { api } = subject();
    const name = freshName();
    await api.apply(BEACONS, beacon(name, { height: 3 }));
    const lit = await api.applyStatus(BEACONS, { metadata: { name }, status: { lit: true } });
    assert.deepEqual([lit['spec'], lit['status']], [{ colour: 'red', height: 3 }, { lit: true }]);
    const applied = await api.apply(BEACONS, beacon(name, { height: 3 }));
    assert.deepEqual([applied['status'], versionOf(applied)], [{ lit: true }, versionOf(lit)]);
  });

  it('of a status takes no notice of the UID: it goes to whatever has the name', async () => {
    const { api } = subject();
    const name = freshName();
    await api.create(BEACONS, beacon(name));
    const { status } = await api.applyStatus(BEACONS, { metadata: { name, uid: OTHER_UID }, status: { lit: true } });
    assert.deepEqual(status, { lit: true });
  });

  it('of a status is refused on an older version, and where there is no object', async () => {
    const { api } = subject();
    const name = freshName();
    const body = (metadata: object) => ({ metadata: { name, ...metadata }, status: { lit: true } });
    await assert.rejects(api.applyStatus(BEACONS, body({})), kubeError('KubeNotFound'));
    const { metadata } = await api.create(BEACONS, beacon(name));
    await api.mergePatch(beaconRef(name), { spec: { height: 3 } });
    const { resourceVersion } = metadata;
    await assert.rejects(api.applyStatus(BEACONS, body({ resourceVersion })), kubeError('KubeConflict', 'modified'));
  });
}
