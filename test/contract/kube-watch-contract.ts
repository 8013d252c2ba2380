// What does a watch tell, in which order, and when does it end? (measured on kube-apiserver 1.36.3)
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { CONFIG_MAPS } from '../../src/kubernetes/core-resources.ts';
import type { Selection } from '../../src/kubernetes/kube-object.ts';
import type { WatchEvent } from '../../src/kubernetes/watch-stream.ts';
import {
  BEACONS,
  beacon,
  beaconRef,
  configMap,
  configMapRef,
  eventsOf,
  freshName,
  kubeError,
  NAMESPACE,
  versionOf,
  type Subject,
} from './kube-subject.ts';

const HOLD = 'stack.test/hold';
/** The API server would end it after so long; the sentences that leave it earlier count events. */
const seconds = 15;

export function describeWatches(subject: () => Subject): void {
  const versionNow = async (selection: Selection) => (await subject().api.list(selection)).resourceVersion;
  const brief = ({ type, object: { metadata } }: WatchEvent) => [type, metadata.name, metadata.resourceVersion];

  it('tells every change after a version, in their order, each with the object as it is then', async () => {
    const { api } = subject();
    const selection = { resource: BEACONS };
    const since = await versionNow(selection);
    const name = freshName();
    const created = await api.create(BEACONS, beacon(name));
    const changed = await api.mergePatch(beaconRef(name), { spec: { height: 3 } });
    const lit = await api.applyStatus(BEACONS, { metadata: { name }, status: { lit: true } });
    await api.delete(beaconRef(name));
    const events = await eventsOf(api, selection, { since, seconds, count: 4 });
    assert.deepEqual(events.slice(0, 3).map(brief), [
      ['ADDED', name, versionOf(created)],
      ['MODIFIED', name, versionOf(changed)],
      ['MODIFIED', name, versionOf(lit)],
    ]);
    assert.deepEqual(events[2]!.object, lit);
    const { type, object } = events[3]!;
    assert.deepEqual([type, object.metadata.name, object['status']], ['DELETED', name, { lit: true }]);
    assert.notEqual(versionOf(object), versionOf(lit));
  });

  it('tells what happens while it stands', async () => {
    const { api } = subject();
    const selection = { resource: BEACONS };
    const watching = eventsOf(api, selection, { since: await versionNow(selection), seconds, count: 2 });
    const name = freshName();
    await api.create(BEACONS, beacon(name));
    await api.delete(beaconRef(name));
    assert.deepEqual(
      (await watching).map(({ type, object }) => [type, object.metadata.name]),
      [
        ['ADDED', name],
        ['DELETED', name],
      ],
    );
  });

  it('tells of a deletion that a finalizer holds up as a change, and then as a deletion', async () => {
    const { api } = subject();
    const selection = { resource: BEACONS };
    const name = freshName();
    await api.create(BEACONS, beacon(name, {}, { finalizers: [HOLD] }));
    const since = await versionNow(selection);
    await api.delete(beaconRef(name));
    await api.mergePatch(beaconRef(name), { metadata: { finalizers: null } });
    const events = await eventsOf(api, selection, { since, seconds, count: 2 });
    assert.deepEqual(
      events.map(({ type, object: { metadata } }) => [type, metadata.deletionTimestamp !== undefined]),
      [
        ['MODIFIED', true],
        ['DELETED', true],
      ],
    );
  });

  it('tells nothing of a write that changed nothing', async () => {
    const { api } = subject();
    const selection = { resource: BEACONS };
    const name = freshName();
    const created = await api.create(BEACONS, beacon(name));
    const since = await versionNow(selection);
    await api.replace(BEACONS, created);
    await api.mergePatch(beaconRef(name), {});
    const changed = await api.mergePatch(beaconRef(name), { spec: { height: 3 } });
    const [event] = await eventsOf(api, selection, { since, seconds, count: 1 });
    assert.deepEqual(brief(event!), ['MODIFIED', name, versionOf(changed)]);
  });

  it('tells of the one object that a field selector names', async () => {
    const { api } = subject();
    const name = freshName();
    const selection = { resource: CONFIG_MAPS, namespace: NAMESPACE, fieldSelector: `metadata.name=${name}` };
    const since = await versionNow(selection);
    await api.create(CONFIG_MAPS, configMap(freshName()));
    const created = await api.create(CONFIG_MAPS, configMap(name));
    await api.create(CONFIG_MAPS, configMap(freshName()));
    await api.delete(configMapRef(name));
    const events = await eventsOf(api, selection, { since, seconds, count: 2 });
    assert.deepEqual(brief(events[0]!), ['ADDED', name, versionOf(created)]);
    assert.deepEqual([events[1]!.type, events[1]!.object.metadata.name], ['DELETED', name]);
  });

  it('tells of an object that no longer fits a label selector as deleted, and as added when it fits again', async () => {
    const { api } = subject();
    const name = freshName();
    const selection = { resource: BEACONS, labelSelector: `group=${name}` };
    await api.create(BEACONS, beacon(name, {}, { labels: { group: name } }));
    const since = await versionNow(selection);
    await api.mergePatch(beaconRef(name), { metadata: { labels: { group: null } } });
    await api.mergePatch(beaconRef(name), { metadata: { labels: { group: name } } });
    const events = await eventsOf(api, selection, { since, seconds, count: 2 });
    assert.deepEqual(
      events.map(({ type }) => type),
      ['DELETED', 'ADDED'],
    );
  });

  it('tells nothing of another namespace', async () => {
    const { api } = subject();
    const elsewhere = { resource: CONFIG_MAPS, namespace: 'kube-public' };
    const since = await versionNow(elsewhere);
    await api.create(CONFIG_MAPS, configMap(freshName()));
    const here = { ...configMap(freshName()), metadata: { name: freshName(), namespace: 'kube-public' } };
    const created = await api.create(CONFIG_MAPS, here);
    const [event] = await eventsOf(api, elsewhere, { since, seconds, count: 1 });
    assert.deepEqual(brief(event!), ['ADDED', created.metadata.name, versionOf(created)]);
  });

  it('ends in order after its time, with a bookmark beyond changes that it did not have to tell', async () => {
    const { api } = subject();
    const name = freshName();
    const selection = { resource: BEACONS, fieldSelector: `metadata.name=${name}` };
    const since = await versionNow(selection);
    const onceItStands = () => api.create(BEACONS, beacon(freshName()));
    // A real one sends it two seconds before the end.
    const events = await eventsOf(api, selection, { since, seconds: 4, onceItStands });
    assert.deepEqual(events.map(({ type, object }) => [type, object.kind]).at(-1), ['BOOKMARK', 'Beacon']);
    const mark = versionOf(events.at(-1)!.object);
    assert.notEqual(mark, since);
    const created = await api.create(BEACONS, beacon(name));
    const [next] = await eventsOf(api, selection, { since: mark, seconds, count: 1 });
    assert.deepEqual(brief(next!), ['ADDED', name, versionOf(created)]);
  });

  it('says that a version is forgotten', async () => {
    const { api } = subject();
    await assert.rejects(
      eventsOf(api, { resource: BEACONS }, { since: '1', seconds }),
      kubeError('KubeGone', 'too old resource version'),
    );
  });
}
