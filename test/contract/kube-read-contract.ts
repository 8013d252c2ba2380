// What does an API server answer to who reads, and to who may not? (measured on kube-apiserver 1.36.3)
import assert from 'node:assert/strict';
import { it } from 'node:test';
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
import { CONFIG_MAPS } from '../../src/kubernetes/core-resources.ts';

/** One more than a page. */
const MANY = 501;

export function describeReads(subject: () => Subject): void {
  it('finds an object by its name, and nothing where there is none', async () => {
    const { api } = subject();
    const name = freshName();
    assert.equal(await api.get(beaconRef(name)), undefined);
    const created = await api.create(BEACONS, beacon(name));
    assert.deepEqual(await api.get(beaconRef(name)), created);
  });

  it('keeps objects of one name in two namespaces apart', async () => {
    const { api } = subject();
    const name = freshName();
    await api.create(CONFIG_MAPS, configMap(name));
    assert.ok(await api.get(configMapRef(name)));
    assert.equal(await api.get({ ...configMapRef(name), namespace: 'kube-system' }), undefined);
  });

  it('lists by label, in the order of the names, each with its kind', async () => {
    const { api } = subject();
    const label = freshName();
    const labels = { group: label };
    const [a, b, c] = [`a-${label}`, `b-${label}`, `c-${label}`];
    await api.create(CONFIG_MAPS, configMap(c, {}, { labels }));
    await api.create(CONFIG_MAPS, configMap(a, {}, { labels }));
    await api.create(CONFIG_MAPS, configMap(b));
    const selection = { resource: CONFIG_MAPS, namespace: NAMESPACE, labelSelector: `group=${label}` };
    const { items } = await api.list(selection);
    assert.deepEqual(
      items.map(({ metadata, kind, apiVersion }) => [metadata.name, kind, apiVersion]),
      [
        [a, 'ConfigMap', 'v1'],
        [c, 'ConfigMap', 'v1'],
      ],
    );
  });

  it('lists one object by the field selector of its name', async () => {
    const { api } = subject();
    const name = freshName();
    const { metadata } = await api.create(CONFIG_MAPS, configMap(name));
    await api.create(CONFIG_MAPS, configMap(freshName()));
    const fieldSelector = `metadata.name=${name}`;
    for (const namespace of [NAMESPACE, undefined]) {
      const { items } = await api.list({ resource: CONFIG_MAPS, namespace, fieldSelector });
      assert.deepEqual(
        items.map(({ metadata: { uid } }) => uid),
        [metadata.uid],
      );
    }
    assert.deepEqual((await api.list({ resource: CONFIG_MAPS, namespace: 'kube-public', fieldSelector })).items, []);
  });

  it('lists what needs more than one page, as of a version that has all of it and grows with every write', async () => {
    const { api } = subject();
    const label = freshName();
    const names = Array.from({ length: MANY }, (_none, index) => `${label}-${String(index).padStart(3, '0')}`);
    const labels = { group: label };
    await Promise.all(names.map((name) => api.create(CONFIG_MAPS, configMap(name, {}, { labels }))));
    const selection = { resource: CONFIG_MAPS, labelSelector: `group=${label}` };
    const listed = await api.list(selection);
    assert.deepEqual(
      listed.items.map(({ metadata }) => metadata.name),
      names,
    );
    // A real one also writes by itself, at any time: versions are compared by order, never for equality.
    const version = BigInt(listed.resourceVersion);
    assert.ok(listed.items.every((item) => BigInt(versionOf(item)) <= version));
    const written = BigInt(versionOf(await api.create(CONFIG_MAPS, configMap(freshName()))));
    assert.ok(version < written);
    assert.ok(written <= BigInt((await api.list(selection)).resourceVersion));
  });

  it('goes on as the first page was, whatever is written between two pages', async () => {
    const { api } = subject();
    const label = freshName();
    const labels = { group: label };
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((letter) => `${label}-${letter}`) as [string, string, string, string];
    for (const name of [a, b, c]) await api.create(CONFIG_MAPS, configMap(name, {}, { labels }));
    const selection = { resource: CONFIG_MAPS, labelSelector: `group=${label}` };
    const told: string[] = [];
    let isWritten = false;
    for await (const items of api.pages(selection, { pageObjects: 1 })) {
      // A real one may end with an empty page: it counts before it selects.
      told.push(...items.map(({ metadata }) => metadata.name));
      if (isWritten) continue;
      isWritten = true;
      await api.delete(configMapRef(b));
      await api.create(CONFIG_MAPS, configMap(d, {}, { labels }));
    }
    assert.deepEqual(told, [a, b, c]);
    const { items } = await api.list(selection);
    assert.deepEqual(
      items.map(({ metadata }) => metadata.name),
      [a, c, d],
    );
  });

  it('does not serve what nobody has defined', async () => {
    const { api } = subject();
    const resource = { ...BEACONS, plural: 'lighthouses' };
    await assert.rejects(
      api.list({ resource }),
      kubeError('KubeResourceUnknown', 'does not serve lighthouses.stack.test'),
    );
    await assert.rejects(api.get({ resource, name: 'a' }), kubeError('KubeResourceUnknown'));
    const group = { ...BEACONS, group: 'absent.test' };
    await assert.rejects(api.list({ resource: group }), kubeError('KubeResourceUnknown', 'install its CRD'));
  });

  it('says to a stranger which right is missing, whatever they ask', async () => {
    const { api, stranger } = subject();
    const name = freshName();
    const { metadata } = await api.create(BEACONS, beacon(name));
    const ref = beaconRef(name);
    const rows = [
      ['get', 'beacons', () => stranger.get(ref)],
      ['list', 'beacons', () => stranger.list({ resource: BEACONS })],
      ['create', 'beacons', () => stranger.create(BEACONS, beacon(freshName()))],
      ['update', 'beacons', () => stranger.replace(BEACONS, beacon(name, {}, metadata))],
      ['patch', 'beacons', () => stranger.mergePatch(ref, {})],
      ['patch', 'beacons', () => stranger.apply(BEACONS, beacon(name))],
      ['patch', 'beacons/status', () => stranger.applyStatus(BEACONS, beacon(name))],
      ['delete', 'beacons', () => stranger.delete(ref)],
      ['watch', 'beacons', () => eventsOf(stranger, { resource: BEACONS }, { since: '0', seconds: 1 })],
    ] as const;
    for (const [verb, resource, ask] of rows) {
      const says = new RegExp(
        `grant verb "${verb}" on resource "${resource}" in API group "stack.test" .*cannot ${verb} resource .*"${resource}`,
      );
      await assert.rejects(ask(), kubeError('KubeForbidden', says));
    }
  });
}
