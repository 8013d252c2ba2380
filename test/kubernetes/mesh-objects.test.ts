// Do the mesh's objects say what we want, are they taken back when asked, and is nobody else's touched?
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { systemClock } from '../../src/federation/clock.ts';
import type { MeshObject, MeshObjectRef } from '../../src/federation/mesh-objects.ts';
import type { CodedError } from '../../src/federation/ports.ts';
import { FIELD_MANAGER, openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import { CONFIG_MAPS, SECRETS } from '../../src/kubernetes/core-resources.ts';
import { BROKER_OF, MANAGED_BY } from '../../src/kubernetes/managed-by.ts';
import { MeshResources, type MeshResourcesParts } from '../../src/kubernetes/mesh-objects.ts';
import { kubeError } from '../contract/kube-subject.ts';
import { startFakeApiServer, type FakeApiServer } from '../fakes/fake-api-server.ts';
import { EAST, WEST } from '../federation/samples.ts';

const SHARED: MeshObjectRef = { kind: 'ConfigMap', namespace: 'istio-system', name: 'istio-federation' };
const GATEWAY_CA: MeshObjectRef = { kind: 'Secret', namespace: 'edge', name: 'west-cacert' };
const CONTENT = { data: { mesh: 'caCertificates: []\n' }, annotations: {} };

describe('MeshResources', () => {
  let kube: FakeApiServer;
  let api: ApiServer;
  let parts: MeshResourcesParts;
  let objects: MeshResources;

  beforeEach(async () => {
    kube = await startFakeApiServer();
    api = await openApiServer({ access: await kube.serviceAccount(), clock: systemClock, timeoutMs: 5_000 });
    const onFault = (error: unknown) => {
      throw error;
    };
    parts = { api, clock: systemClock, random: () => 0.1, onFault, ownTrustDomain: EAST };
    objects = new MeshResources(parts);
  });
  afterEach(async () => {
    api.close();
    await kube.close();
  });

  const resourceOf = ({ kind }: MeshObjectRef) => (kind === 'Secret' ? SECRETS : CONFIG_MAPS);
  const stored = (ref: MeshObjectRef) => api.get({ ...ref, resource: resourceOf(ref) });
  const writes = () => kube.store.changes.length;

  /** As `kubectl edit` does it. */
  const edit = (ref: MeshObjectRef, patch: object, manager = 'kubectl-edit') => {
    const place = { ...ref, resource: resourceOf(ref), subresource: undefined };
    kube.store.patch(place, 'application/merge-patch+json', patch, manager);
  };

  const createTheirs = (ref: MeshObjectRef, theirs: object = {}) =>
    api.create(resourceOf(ref), { metadata: { name: ref.name, namespace: ref.namespace }, ...theirs });

  it('creates it with our label and the data, and writes nothing the second time', async () => {
    const created = await objects.apply(SHARED, CONTENT);
    assert.deepEqual([created.ours, created.data, created.otherManagers], [true, CONTENT.data, []]);
    assert.deepEqual((await stored(SHARED))?.metadata.labels, MANAGED_BY);
    assert.equal((await objects.apply(SHARED, CONTENT)).resourceVersion, created.resourceVersion);
    assert.equal(writes(), 1);
  });

  it('names the trust domain of its broker, and leaves what the broker of another one made', async () => {
    assert.deepEqual((await objects.apply(SHARED, CONTENT)).brokerOf, EAST);
    const before = await stored(SHARED);
    const west = new MeshResources({ ...parts, ownTrustDomain: WEST });
    for (const takeBack of [false, true]) {
      await assert.rejects(
        west.apply(SHARED, CONTENT, { takeBack }),
        kubeError('KubeAlreadyExists', `${BROKER_OF}: ${EAST}`),
      );
    }
    await assert.rejects(west.delete({ ...SHARED, uid: before!.metadata.uid! }), kubeError('KubeAlreadyExists'));
    assert.deepEqual(await west.listOurs('ConfigMap', SHARED.namespace), []);
    assert.equal((await objects.listOurs('ConfigMap', SHARED.namespace)).length, 1);
    assert.deepEqual(await stored(SHARED), before);
  });

  it('takes over what an earlier version made, which did not name its broker', async () => {
    await createTheirs(SHARED, { metadata: { name: SHARED.name, namespace: SHARED.namespace, labels: MANAGED_BY } });
    const [found] = await objects.listOurs('ConfigMap', SHARED.namespace);
    assert.deepEqual([found?.ours, found?.brokerOf], [true, undefined]);
    assert.equal((await objects.apply(SHARED, CONTENT)).brokerOf, EAST);
  });

  it('drops keys and annotations that it no longer says', async () => {
    await objects.apply(SHARED, { data: { a: '1', b: '2' }, annotations: { 'fedbroker.dev/x': 'y' } });
    const { data, annotations } = await objects.apply(SHARED, { data: { b: '2' }, annotations: {} });
    assert.deepEqual([data, annotations], [{ b: '2' }, { [BROKER_OF]: EAST }]);
  });

  it('keeps the text of a Secret in base64, and reads it as text', async () => {
    const { data } = await objects.apply(GATEWAY_CA, { data: { 'ca.crt': 'PEM ü' }, annotations: {} });
    assert.deepEqual(data, { 'ca.crt': 'PEM ü' });
    assert.deepEqual((await stored(GATEWAY_CA))?.['data'], { 'ca.crt': Buffer.from('PEM ü').toString('base64') });
  });

  it('names who edited it, and takes it back only when asked', async () => {
    await objects.apply(SHARED, CONTENT);
    edit(SHARED, { data: { mesh: 'theirs' } });
    await assert.rejects(objects.apply(SHARED, CONTENT), kubeError('KubeApplyConflict', 'kubectl-edit'));
    assert.deepEqual((await stored(SHARED))?.['data'], { mesh: 'theirs' });
    const { data, otherManagers } = await objects.apply(SHARED, CONTENT, { takeBack: true });
    assert.deepEqual([data, otherManagers], [CONTENT.data, []]);
  });

  it('takes back, too, what was written under our own name by other means than ours', async () => {
    await objects.apply(SHARED, CONTENT);
    edit(SHARED, { data: { mesh: 'restored' } }, FIELD_MANAGER);
    await assert.rejects(objects.apply(SHARED, CONTENT), kubeError('KubeApplyConflict', FIELD_MANAGER));
    const [found] = await objects.listOurs(SHARED.kind, SHARED.namespace);
    assert.deepEqual(found?.otherManagers, [FIELD_MANAGER]);
    const { data, otherManagers } = await objects.apply(SHARED, CONTENT, { takeBack: true });
    assert.deepEqual([data, otherManagers], [CONTENT.data, []]);
  });

  it('finds no conflict where somebody else has come to say the same', async () => {
    await objects.apply(SHARED, CONTENT);
    edit(SHARED, { data: { mesh: 'other' } });
    edit(SHARED, { data: CONTENT.data });
    assert.deepEqual((await objects.apply(SHARED, CONTENT)).otherManagers, ['kubectl-edit']);
  });

  it('names who added a key, and takes the key away only when asked', async () => {
    await objects.apply(SHARED, CONTENT);
    edit(SHARED, { data: { meshNetworks: 'theirs' } }, 'helm');
    await assert.rejects(objects.apply(SHARED, CONTENT), kubeError('KubeApplyConflict', 'meshNetworks; "helm" wrote'));
    const { data, otherManagers } = await objects.apply(SHARED, CONTENT, { takeBack: true });
    assert.deepEqual([data, otherManagers], [CONTENT.data, []]);
  });

  it('never changes an object without our label, whatever is asked', async () => {
    await createTheirs(SHARED, { data: { mesh: 'theirs' } });
    for (const takeBack of [false, true]) {
      const refused = kubeError('KubeAlreadyExists', /"istio-federation" in namespace "istio-system" is there without/);
      await assert.rejects(objects.apply(SHARED, CONTENT, { takeBack }), refused);
    }
    const { uid = '' } = (await stored(SHARED))?.metadata ?? {};
    await assert.rejects(objects.delete({ ...SHARED, uid }), kubeError('KubeAlreadyExists'));
    assert.equal(writes(), 1);
  });

  it('does not force its way into an object that appears between its look and its write', async () => {
    const racing: ApiServer = {
      ...api,
      apply: async (...call) => {
        await createTheirs(SHARED, { data: { mesh: 'theirs' } });
        return api.apply(...call);
      },
    };
    const parts = {
      api: racing,
      clock: systemClock,
      random: Math.random,
      onFault: () => undefined,
      ownTrustDomain: EAST,
    };
    const late = new MeshResources(parts).apply(SHARED, CONTENT, { takeBack: true });
    await assert.rejects(late, kubeError('KubeAlreadyExists'));
    assert.equal(writes(), 1);
  });

  describe('where a broker of another trust domain writes the same object at once', () => {
    const ofWest = () => new MeshResources({ ...parts, ownTrustDomain: WEST });
    const THEIRS = { data: { mesh: 'caCertificates:\n  - trustDomains: [north.example]\n' }, annotations: {} };

    /** Ours, where `west` writes between our look and our write. */
    const overtaken = (west: () => Promise<unknown>) => {
      const apply: ApiServer['apply'] = async (...call) => {
        if (writes() < 2) await west();
        return api.apply(...call);
      };
      return new MeshResources({ ...parts, api: { ...api, apply } });
    };

    it('loses what the other was first to make, and changes nothing of it', async () => {
      const late = overtaken(() => ofWest().apply(SHARED, THEIRS)).apply(SHARED, CONTENT, { takeBack: true });
      await assert.rejects(late, kubeError('KubeAlreadyExists', 'broker-of: west.example'));
      assert.deepEqual([(await stored(SHARED))?.['data'], writes()], [THEIRS.data, 1]);
    });

    it('loses what the other was first to take over from an earlier version', async () => {
      const metadata = { name: SHARED.name, namespace: SHARED.namespace, labels: MANAGED_BY };
      await api.apply(CONFIG_MAPS, { metadata, data: CONTENT.data });
      const late = overtaken(() => ofWest().apply(SHARED, THEIRS)).apply(SHARED, CONTENT, { takeBack: true });
      await assert.rejects(late, kubeError('KubeAlreadyExists', 'broker-of: west.example'));
      assert.deepEqual([(await stored(SHARED))?.['data'], writes()], [THEIRS.data, 2]);
    });

    it('has it as one of many that begin together, and each of the others is told whose it is', async () => {
      const brokers = ['a', 'b', 'c', 'd', 'e'].map((name) => parseTrustDomain(`${name}.example`));
      const tried = await Promise.allSettled(
        brokers.map((own) => {
          const content = { data: { mesh: `caCertificates: [] # ${own}\n` }, annotations: {} };
          return new MeshResources({ ...parts, ownTrustDomain: own }).apply(SHARED, content);
        }),
      );
      const winners = tried.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
      const refusals = tried.flatMap((each) => (each.status === 'rejected' ? [each.reason as CodedError] : []));
      assert.deepEqual([winners.length, writes()], [1, 1]);
      for (const { code, message } of refusals) {
        assert.equal(code, 'KubeAlreadyExists');
        assert.match(message, new RegExp(`broker-of: ${winners[0]?.brokerOf}`));
      }
      assert.deepEqual((await stored(SHARED))?.['data'], winners[0]?.data);
    });
  });

  it('looks again when its object changes between its look and its write', async () => {
    await objects.apply(SHARED, CONTENT);
    let edits = 0;
    const apply: ApiServer['apply'] = (...call) => {
      edits += 1;
      if (edits === 1) edit(SHARED, { metadata: { labels: { team: 'mesh' } } });
      return api.apply(...call);
    };
    const newer = { ...CONTENT, data: { mesh: 'caCertificates: [] # newer\n' } };
    const applied = await new MeshResources({ ...parts, api: { ...api, apply } }).apply(SHARED, newer);
    assert.deepEqual([applied.data, edits], [newer.data, 2]);
  });

  it('gives up when its object changes again and again', async () => {
    await objects.apply(SHARED, CONTENT);
    let edits = 0;
    const apply: ApiServer['apply'] = (...call) => {
      edits += 1;
      edit(SHARED, { metadata: { labels: { edit: String(edits) } } });
      return api.apply(...call);
    };
    const newer = { ...CONTENT, data: { mesh: 'caCertificates: [] # newer\n' } };
    const late = new MeshResources({ ...parts, api: { ...api, apply } }).apply(SHARED, newer);
    await assert.rejects(late, kubeError('KubeConflict'));
    assert.equal(edits, 3);
  });

  it('replaces one key of an object of others, and nothing beside it', async () => {
    const theirs = { data: { mesh: 'rootNamespace: a\n', 'a/b~c': 'old' } };
    const created = await createTheirs(SHARED, theirs);
    edit(SHARED, { metadata: { labels: { app: 'istiod' } } });
    const [object] = await reports(SHARED, 1);
    const change = { key: 'a/b~c', text: 'new', annotations: { 'fedbroker.dev/entries': 'x' } };
    const replaced = await objects.replaceKey(object as MeshObject, change);
    assert.deepEqual(replaced.data, { mesh: 'rootNamespace: a\n', 'a/b~c': 'new' });
    assert.deepEqual(
      [replaced.annotations, replaced.ours, replaced.uid],
      [{ ...change.annotations, [BROKER_OF]: EAST }, false, created.metadata.uid],
    );
    const again = await objects.replaceKey(replaced, { ...change, text: 'newer', annotations: { b: 'y' } });
    assert.deepEqual(again.annotations, { 'fedbroker.dev/entries': 'x', b: 'y', [BROKER_OF]: EAST });
  });

  it('replaces no key of an object that has changed since', async () => {
    await createTheirs(SHARED);
    const [object] = await reports(SHARED, 1);
    edit(SHARED, { data: { mesh: 'newer' } });
    const change = { key: 'mesh', text: 'x', annotations: {} };
    await assert.rejects(objects.replaceKey(object as MeshObject, change), kubeError('KubeConflict'));
    assert.deepEqual((await stored(SHARED))?.['data'], { mesh: 'newer' });
  });

  it('writes the first key of an object that has none', async () => {
    await createTheirs(GATEWAY_CA);
    const [object] = await reports(GATEWAY_CA, 1);
    const change = { key: 'mesh', text: 'x', annotations: {} };
    assert.deepEqual((await objects.replaceKey(object as MeshObject, change)).data, { mesh: 'x' });
  });

  it('deletes only this very object', async () => {
    const { uid } = await objects.apply(SHARED, CONTENT);
    await objects.delete({ ...SHARED, uid: 'another' });
    assert.notEqual(await stored(SHARED), undefined);
    await objects.delete({ ...SHARED, uid });
    assert.equal(await stored(SHARED), undefined);
    await objects.delete({ ...SHARED, uid });
  });

  it('finds what a broker made in a namespace, whoever remembers it, and nothing else', async () => {
    await objects.apply(GATEWAY_CA, CONTENT);
    await objects.apply({ ...GATEWAY_CA, namespace: 'elsewhere' }, CONTENT);
    await objects.apply({ ...GATEWAY_CA, kind: 'ConfigMap' }, CONTENT);
    await createTheirs({ ...GATEWAY_CA, name: 'theirs' });
    const found = await objects.listOurs('Secret', GATEWAY_CA.namespace);
    assert.deepEqual(
      found.map(({ kind, namespace, name, ours, data }) => ({ kind, namespace, name, ours, data })),
      [{ ...GATEWAY_CA, ours: true, data: CONTENT.data }],
    );
  });

  it('says which right is missing when they may not be listed', async () => {
    kube.isAllowed = ({ verb }) => verb !== 'list';
    await assert.rejects(objects.listOurs('Secret', GATEWAY_CA.namespace), kubeError('KubeForbidden'));
  });

  it('reports the one object at every change, who wrote into it, and its absence', async () => {
    await objects.apply({ ...SHARED, name: 'neighbour' }, CONTENT);
    const found = await reports(SHARED, 4, async (count) => {
      if (count === 1) await objects.apply(SHARED, CONTENT);
      if (count === 2) edit(SHARED, { data: { mesh: 'theirs' } });
      if (count === 3) await api.delete({ ...SHARED, resource: CONFIG_MAPS });
    });
    const said = found.map((each) => each && 'data' in each && [each.data['mesh'], each.otherManagers]);
    assert.deepEqual(said, [undefined, ['caCertificates: []\n', []], ['theirs', ['kubectl-edit']], undefined]);
  });

  it('reports what hinders it', async () => {
    kube.isAllowed = () => false;
    const [error] = await reports(SHARED, 1);
    assert.equal((error as CodedError).code, 'KubeForbidden');
  });

  /** The first `count` reports; `after` each of them. */
  function reports(ref: MeshObjectRef, count: number, after?: (soFar: number) => Promise<void>) {
    const found: (MeshObject | CodedError | undefined)[] = [];
    const stop = new AbortController();
    return new Promise<typeof found>((resolve, reject) => {
      void objects.watch(
        ref,
        (each) => {
          found.push(each);
          if (found.length < count) after?.(found.length).catch(reject);
          else {
            stop.abort();
            resolve(found);
          }
        },
        stop.signal,
      );
    });
  }
});
