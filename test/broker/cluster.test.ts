// Does a running broker live beside spire-controller-manager: trust reaches its workloads, and neither undoes the other?
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { ClusterParts } from '../../src/broker/gather-cluster.ts';
import { writtenStatus } from '../../src/broker/status.ts';
import { statusText } from '../../src/cli/status.ts';
import { systemClock } from '../../src/federation/clock.ts';
import type { ControllerManager } from '../../src/federation/ports.ts';
import type { Peer } from '../../src/federation/relationship.ts';
import { openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import {
  ADDED_ANNOTATION,
  CLUSTER_SPIFFE_IDS,
  ClusterSpiffeIdResources,
} from '../../src/kubernetes/cluster-spiffeids.ts';
import { ControllerManagerConfig } from '../../src/kubernetes/controller-manager.ts';
import { ControllerManagerWorkloads } from '../../src/kubernetes/controller-manager-workloads.ts';
import { CONFIG_MAPS } from '../../src/kubernetes/core-resources.ts';
import {
  CLUSTER_FEDERATED_TRUST_DOMAINS,
  FederatedTrustDomainResources,
} from '../../src/kubernetes/federated-trust-domains.ts';
import type { Access } from '../fakes/fake-api-routes.ts';
import { DEPLOYMENTS, STATEFUL_SETS } from '../../src/kubernetes/workload-object.ts';
import { startFakeApiServer, type FakeApiServer } from '../fakes/fake-api-server.ts';
import { startFakeControllerManager, type FakeControllerManager } from '../fakes/fake-controller-manager.ts';
import { bundleOf, controllerManagerOf, EAST, peerOf, selecting, WEST } from '../federation/samples.ts';
import { readiness, ScriptedSource, startSide, until, type Side } from './side.ts';

const CHOOSES = { clusterSpiffeIds: { matchLabels: { federate: 'west' }, matchExpressions: [] } };
const CONFIG = { namespace: 'spire', name: 'spire-controller-manager' };

const web = (changes: Partial<Peer> = {}) => peerOf(WEST, { profile: { type: 'https_web' }, ...changes });

/** A fault of this program. */
function onFault(error: unknown): void {
  throw error;
}

describe('a broker beside spire-controller-manager', () => {
  let side: Side;
  let source: ScriptedSource;
  let kube: FakeApiServer;
  let api: ApiServer;
  let manager: FakeControllerManager | undefined;
  let cluster: ClusterParts;

  beforeEach(async () => {
    side = await startSide(EAST);
    source = new ScriptedSource();
    source.publish(web().bundleEndpointUrl, bundleOf(WEST));
    kube = await startFakeApiServer([
      { ...CLUSTER_SPIFFE_IDS, hasStatus: true },
      { ...CLUSTER_FEDERATED_TRUST_DOMAINS, hasStatus: true },
    ]);
    api = await openApiServer({ access: await kube.serviceAccount(), clock: systemClock, timeoutMs: 5_000 });
    const parts = { api, clock: systemClock, random: Math.random, onFault, ownTrustDomain: EAST };
    cluster = {
      clusterSpiffeIds: new ClusterSpiffeIdResources(parts),
      federatedTrustDomains: new FederatedTrustDomainResources(parts),
      controllerManager: new ControllerManagerConfig({
        api,
        clock: systemClock,
        ownTrustDomain: EAST,
        configMap: CONFIG,
      }),
      controllerManagerSite: new ControllerManagerWorkloads({ ...parts, configMap: CONFIG }),
    };
  });
  afterEach(async () => {
    await manager?.stop();
    manager = undefined;
    await side.stop();
    api.close();
    await kube.close();
  });

  async function startManager(settings: ControllerManager): Promise<FakeControllerManager> {
    const { entryIdPrefix, className } = settings;
    const lines = [
      `trustDomain: ${EAST}`,
      `className: ${className ?? '""'}`,
      `entryIDPrefix: ${entryIdPrefix ?? '""'}`,
    ];
    await api.create(CONFIG_MAPS, {
      metadata: CONFIG,
      data: { 'controller-manager-config.yaml': lines.join('\n') },
    });
    const { socketPath } = side;
    manager = startFakeControllerManager({
      socketPath,
      trustDomain: EAST,
      api,
      settings,
      pods: ['a', 'b'],
      intervalMs: 50,
    });
    return manager;
  }
  const createObject = (name: string, spec: object = {}, labels: Record<string, string> = { federate: 'west' }) =>
    api.create(CLUSTER_SPIFFE_IDS, { metadata: { name, labels }, spec: { className: 'spire', ...spec } });
  const readObject = async (name: string) => {
    const object = await api.get({ resource: CLUSTER_SPIFFE_IDS, name });
    const spec = object?.['spec'] as { readonly federatesWith?: readonly string[] } | undefined;
    return { names: spec?.federatesWith, added: object?.metadata.annotations?.[ADDED_ANNOTATION] };
  };
  const naming = async () =>
    (await side.spire.listEntries()).filter(({ federatesWith }) => federatesWith.includes(WEST));
  const entriesCondition = () => side.peer(WEST)?.conditions.find(({ type }) => type === 'EntriesFederated');

  it('reaches entries by their ClusterSPIFFEID, takes them back before the bundle goes, and nothing flaps', async () => {
    const beside = await startManager(controllerManagerOf());
    await createObject('api', { federatesWith: [] });
    await createObject('other', {}, {});
    side.declare([web(CHOOSES)]);
    await side.startBroker(source, { cluster });
    await until('ready', () => readiness(side.peer(WEST)) === 'True Ready');
    await until('linked', async () => (await naming()).length === 2);
    assert.deepEqual(await readObject('api'), { names: [WEST], added: WEST });
    assert.deepEqual(beside.failures, []);

    const [writes, rounds] = [beside.writes.length, beside.rounds];
    await until('ten more rounds', () => beside.rounds > rounds + 10);
    assert.equal(beside.writes.length, writes);

    side.declare([]);
    await until('the bundle is gone', async () => (await side.spire.getFederatedBundle(WEST)) === undefined);
    assert.deepEqual(await naming(), []);
    assert.deepEqual(await readObject('api'), { names: undefined, added: undefined });
    await until('it is forgotten', async () => (await side.spire.readManagedPeers()).size === 0);
    assert.deepEqual(beside.failures, []);
  });

  it('says where the controller-manager runs, and waits for nothing of that', async () => {
    await startManager(controllerManagerOf());
    for (const resource of [DEPLOYMENTS, STATEFUL_SETS]) kube.serve(resource);
    kube.isAllowed = ({ resource }) => resource !== 'deployments';
    side.declare([web()]);
    const broker = await side.startBroker(source, { cluster });
    await until('ready', () => readiness(side.peer(WEST)) === 'True Ready');
    const status = () => writtenStatus(broker.status());
    await until('refused', () => status().controllerManager?.message.includes('grant verb "list"'));
    assert.deepEqual(status().unreadable, []);
    assert.match(statusText(status()), /^spire-controller-manager \(Unknown\): it is not known whether it runs: /m);
  });

  it('leaves the entries of the controller-manager alone and says what to choose instead', async () => {
    await startManager(controllerManagerOf());
    await createObject('api');
    await until('rendered', async () => (await side.spire.listEntries()).length === 2);
    const own = await side.createEntry('/vm/own');
    side.declare([web({ entrySelectors: selecting('/**') })]);
    await side.startBroker(source, { cluster });
    await until('linked', async () => (await side.links(own))?.includes(WEST));
    const condition = await until(
      'said',
      () => entriesCondition()?.reason === 'EntriesOfControllerManager' && entriesCondition(),
    );
    assert.match(condition.message, /^2 chosen entries are left alone: their ids begin with "cluster\."/);
  });

  it('edits no entry and takes up no peer where the controller-manager has no prefix, for it deletes our record', async () => {
    const beside = await startManager(controllerManagerOf({ entryIdPrefix: undefined }));
    side.declare([web({ entrySelectors: selecting('/**') })]);
    await side.startBroker(source, { cluster });
    await until('said', () => entriesCondition()?.reason === 'ControllerManagerOwnsEntries');
    const { rounds } = beside;
    await until('five more rounds', () => beside.rounds > rounds + 5);
    assert.equal(await side.spire.getFederatedBundle(WEST), undefined);
    assert.deepEqual(beside.writes, []);
  });

  it('touches nothing of it while its settings may not be read, and says which right to grant', async () => {
    kube.isAllowed = ({ resource }) => resource !== 'configmaps';
    await createObject('api');
    side.declare([web(CHOOSES)]);
    await side.startBroker(source, { cluster });
    const condition = await until('said', () => entriesCondition()?.reason === 'KubeForbidden' && entriesCondition());
    assert.equal(await side.spire.getFederatedBundle(WEST), undefined);
    assert.match(condition.message, /grant verb "get" on resource "configmaps"/);
    assert.deepEqual(await readObject('api'), { names: undefined, added: undefined });
  });

  it('tries again when somebody else wrote the ClusterSPIFFEID meanwhile', async () => {
    await startManager(controllerManagerOf());
    await createObject('api', { federatesWith: ['south.example'] });
    const conflicts: string[] = [];
    const { clusterSpiffeIds } = cluster;
    const racing: ClusterParts['clusterSpiffeIds'] = {
      watch: (report, signal) => clusterSpiffeIds.watch(report, signal),
      updateFederatesWith: async (object, change, signal) => {
        if (conflicts.length === 0)
          await api.mergePatch({ resource: CLUSTER_SPIFFE_IDS, name: 'api' }, { spec: { hint: 'x' } });
        return clusterSpiffeIds.updateFederatesWith(object, change, signal).catch((error: unknown) => {
          conflicts.push((error as { code: string }).code);
          throw error;
        });
      },
    };
    // SPIRE refuses entries of a name that it holds no bundle of.
    await side.spire.setFederatedBundles([
      bundleOf(WEST),
      { ...bundleOf(WEST, [1]), trustDomain: 'south.example' as never },
    ]);
    side.declare([web(CHOOSES)]);
    await side.startBroker(source, { cluster: { ...cluster, clusterSpiffeIds: racing } });
    await until('added', async () => (await readObject('api')).added === WEST);
    assert.deepEqual((await readObject('api')).names, ['south.example', WEST]);
    assert.deepEqual(conflicts, ['KubeConflict']);
  });

  it('lets SPIRE fetch by a ClusterFederatedTrustDomain, whose bundle goes as soon as SPIRE holds one', async () => {
    const beside = await startManager(controllerManagerOf());
    const peer = web({ mode: 'Delegate', bootstrap: { type: 'inline', text: '{}' } });
    side.declare([peer]);
    await side.startBroker(source, { cluster, readBootstrap: () => Promise.resolve(bundleOf(WEST)) });
    const declared = () => api.get({ resource: CLUSTER_FEDERATED_TRUST_DOMAINS, name: 'west' });
    const spec = async () => (await declared())?.['spec'] as Record<string, unknown> | undefined;
    await until('related', async () => (await side.spire.listFederationRelationships()).length === 1);
    await until('the bundle is taken out', async () => (await spec())?.['trustDomainBundle'] === undefined);
    assert.deepEqual((await spec())?.['className'], 'spire');
    const { rounds } = beside;
    await until('five more rounds', () => beside.rounds > rounds + 5);
    assert.deepEqual(beside.writes, ['create relationship west.example']);

    side.declare([]);
    await until('the bundle is gone', async () => (await side.spire.getFederatedBundle(WEST)) === undefined);
    assert.equal(await declared(), undefined);
    assert.deepEqual(await side.spire.listFederationRelationships(), []);
  });

  it('withdraws a ClusterFederatedTrustDomain that it made before it found that it may not watch them', async () => {
    // It does not come to act on the object, so that nothing else of the peer is in SPIRE.
    await (await startManager(controllerManagerOf())).stop();
    const declared = () => api.get({ resource: CLUSTER_FEDERATED_TRUST_DOMAINS, name: 'west' });
    const isTheirs = ({ resource }: Access) => resource === CLUSTER_FEDERATED_TRUST_DOMAINS.plural;
    const isWatch = (access: Access) => access.verb === 'watch' && isTheirs(access);
    // What the list said is known until the watch is refused, and that it is older than the object.
    kube.fail(isWatch, async () => {
      await until('declared', async () => (await declared()) !== undefined);
      return 'Proceed' as const;
    });
    kube.isAllowed = (access) => !isWatch(access);
    side.declare([web({ mode: 'Delegate' })]);
    const broker = await side.startBroker(source, { cluster });
    const isUnreadable = () => broker.status().unreadable.some(({ fact }) => fact === 'federatedTrustDomains');
    await until('refused', async () => (await declared()) !== undefined && isUnreadable());
    side.declare([]);
    await until('held', () => side.reports.at(-1)?.plan.waitingRemovals.length === 1);
    kube.isAllowed = () => true;
    await until('it is forgotten', async () => (await side.spire.readManagedPeers()).size === 0);
    assert.equal(await declared(), undefined);
  });

  it('is the same as without it where the API server knows nothing of it', async () => {
    const bare = await startFakeApiServer();
    const bareApi = await openApiServer({ access: await bare.serviceAccount(), clock: systemClock, timeoutMs: 5_000 });
    const parts = { api: bareApi, clock: systemClock, random: Math.random, onFault, ownTrustDomain: EAST };
    const entry = await side.createEntry('/api');
    side.declare([web({ entrySelectors: selecting('/**') })]);
    await side.startBroker(source, {
      cluster: {
        clusterSpiffeIds: new ClusterSpiffeIdResources(parts),
        federatedTrustDomains: new FederatedTrustDomainResources(parts),
        controllerManager: new ControllerManagerConfig({ ...parts, configMap: undefined }),
        controllerManagerSite: new ControllerManagerWorkloads({ ...parts, configMap: undefined }),
      },
    });
    await until('linked', async () => (await side.links(entry))?.includes(WEST));
    bareApi.close();
    await bare.close();
  });

  it('only keeps bundles new while it may not be sure to lead', async () => {
    let upkeepOnly = false;
    side.declare([web()]);
    await side.startBroker(source, { isUpkeepOnly: () => upkeepOnly });
    await until('stored', async () => await side.spire.getFederatedBundle(WEST));
    upkeepOnly = true;
    side.declare([]);
    source.publish(web().bundleEndpointUrl, bundleOf(WEST, [0, 1], { sequenceNumber: 8n }));
    side.declare([web({ suspend: 'Active' })]);
    await until('renewed', async () => (await side.spire.getFederatedBundle(WEST))?.sequenceNumber === 8n);
    const passes = side.reports.length;
    side.declare([web({ suspend: 'Revoke' })]);
    await until('another pass', () => side.reports.length > passes);
    assert.deepEqual(side.reports.at(-1)?.plan.steps, []);
  });
});
