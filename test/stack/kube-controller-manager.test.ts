// Do a broker and spire-controller-manager live together on a real SPIRE and a real API server, without undoing each other?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { Broker } from '../../src/broker/broker.ts';
import { writtenStatus } from '../../src/broker/status.ts';
import { systemClock } from '../../src/federation/clock.ts';
import type { Declarations } from '../../src/federation/facts.ts';
import type { Peer } from '../../src/federation/relationship.ts';
import { openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import { CLUSTER_SPIFFE_IDS, ClusterSpiffeIdResources } from '../../src/kubernetes/cluster-spiffeids.ts';
import { ControllerManagerConfig } from '../../src/kubernetes/controller-manager.ts';
import { ControllerManagerWorkloads } from '../../src/kubernetes/controller-manager-workloads.ts';
import { CONFIG_MAPS } from '../../src/kubernetes/core-resources.ts';
import {
  CLUSTER_FEDERATED_TRUST_DOMAINS,
  FederatedTrustDomainResources,
} from '../../src/kubernetes/federated-trust-domains.ts';
import type { SpireServerClient } from '../../src/spire/spire-server.ts';
import { readiness, ScriptedSource, SETTINGS } from '../broker/side.ts';
import { startFakeControllerManager, type FakeControllerManager } from '../fakes/fake-controller-manager.ts';
import { bundleOf, controllerManagerOf, NORTH, peerOf, WEST } from '../federation/samples.ts';
import { Cleanup } from './harness/cleanup.ts';
import { CONTROLLER_MANAGER_DEFINITIONS } from './harness/controller-manager-resources.ts';
import { eventually } from './harness/eventually.ts';
import { startKubeApiServer } from './harness/kube-api-server.ts';
import { LONG_RUN } from './harness/long-run.ts';
import { startSpireServer, type SpireServer } from './harness/spire-server.ts';
import { openApi } from './harness/stored-roots.ts';

const EAST = parseTrustDomain('east.test');
/** Five minutes of the real one, whose interval is 10 s; each second stands for ten except in a long run. */
const ROUNDS = 30;
const INTERVAL_MS = LONG_RUN ? 10_000 : 1_000;
/** A round works for at most this long beside its interval. */
const ROUND_WORK_MS = 5_000;
const CONFIG = { namespace: 'default', name: 'spire-controller-manager' };
const PODS = ['a', 'b', 'c'];

const west: Peer = peerOf(WEST, {
  profile: { type: 'https_web' },
  clusterSpiffeIds: { matchLabels: { federate: 'west' }, matchExpressions: [] },
});
const north: Peer = peerOf(NORTH, {
  mode: 'Delegate',
  bundleEndpointUrl: 'https://127.0.0.1:1/',
  bootstrap: { type: 'inline', text: '{}' },
});

interface ShownEntry {
  readonly id: string;
  readonly federates_with: readonly string[];
  readonly revision_number: string;
}

/** A fault of this program. */
function onFault(error: unknown): void {
  throw error;
}

describe('a broker beside spire-controller-manager', () => {
  const cleanup = new Cleanup();
  let server: SpireServer;
  let spire: SpireServerClient;
  let api: ApiServer;
  let manager: FakeControllerManager;
  let broker: Broker;
  let declare: (peers: readonly Peer[]) => void = () => undefined;

  before(async () => {
    const [kube, started] = await Promise.all([startKubeApiServer(cleanup), startSpireServer(cleanup, EAST)]);
    server = started;
    spire = openApi(cleanup, server);
    const input = CONTROLLER_MANAGER_DEFINITIONS.map((each) => JSON.stringify(each)).join('\n---\n');
    await kube.kubectl(['apply', '--server-side', '-f', '-'], { input });
    api = await openApiServer({
      access: { path: kube.kubeconfigPath },
      clock: systemClock,
      timeoutMs: 10_000,
    });
    cleanup.add(() => {
      api.close();
    });
    const settings = controllerManagerOf();
    const data = {
      'controller-manager-config.yaml': `trustDomain: ${EAST}\nclassName: spire\nentryIDPrefix: cluster\n`,
    };
    await api.create(CONFIG_MAPS, { metadata: CONFIG, data });
    const labels = { federate: 'west' };
    const spec = { spiffeIDTemplate: 'spiffe://{{ .TrustDomain }}/{{ .PodMeta.Name }}', className: 'spire' };
    await eventually('ClusterSPIFFEIDs are served', () =>
      api.create(CLUSTER_SPIFFE_IDS, { metadata: { name: 'api', labels }, spec }),
    );
    await api.create(CLUSTER_SPIFFE_IDS, { metadata: { name: 'other' }, spec });
    manager = startFakeControllerManager({
      socketPath: server.socketPath,
      trustDomain: EAST,
      api,
      settings,
      pods: PODS,
      intervalMs: INTERVAL_MS,
    });
    cleanup.add(() => manager.stop());
    broker = await startBroker();
  });
  after(() => cleanup.run());

  async function startBroker(): Promise<Broker> {
    const source = new ScriptedSource();
    source.publish(west.bundleEndpointUrl, bundleOf(WEST));
    const parts = { api, clock: systemClock, random: Math.random, onFault, ownTrustDomain: EAST };
    const ignored = () => undefined;
    const made = new Broker({
      trustDomain: EAST,
      spire,
      source,
      peers: {
        watch: (report, signal) => {
          declare = (peers) => {
            report({ peers, incompleteBecause: undefined } satisfies Declarations);
          };
          declare([west, north]);
          return new Promise((resolve) => {
            signal.addEventListener('abort', () => {
              resolve();
            });
          });
        },
      },
      readBootstrap: () => Promise.resolve(bundleOf(NORTH)),
      settings: SETTINGS,
      observer: {
        ownBundle: ignored,
        fetched: ignored,
        passEnded: ignored,
        meshLooked: ignored,
        rotationLooked: ignored,
        passFailed: onFault,
      },
      scheduleSweeps: ignored,
      cluster: {
        clusterSpiffeIds: new ClusterSpiffeIdResources(parts),
        federatedTrustDomains: new FederatedTrustDomainResources(parts),
        controllerManager: new ControllerManagerConfig({ ...parts, configMap: CONFIG }),
        controllerManagerSite: new ControllerManagerWorkloads({ ...parts, configMap: CONFIG }),
      },
    });
    cleanup.add(() => made.stop());
    await made.start();
    return made;
  }

  /** With their revision numbers, which SPIRE raises at every update. */
  const shown = async (): Promise<readonly ShownEntry[]> => {
    const { entries } = await server.cliJson<{ readonly entries: readonly ShownEntry[] }>(['entry', 'show']);
    return entries.map(({ id, federates_with, revision_number }) => ({ id, federates_with, revision_number }));
  };
  const naming = async (name: string) => (await shown()).filter(({ federates_with }) => federates_with.includes(name));
  const rounds = (count: number) => {
    const first = manager.rounds;
    const timeoutMs = count * (INTERVAL_MS + ROUND_WORK_MS);
    return eventually(`${count} more rounds`, () => manager.rounds >= first + count, { timeoutMs });
  };
  const versions = async () => {
    const lists = [CLUSTER_SPIFFE_IDS, CLUSTER_FEDERATED_TRUST_DOMAINS].map((resource) => api.list({ resource }));
    return (await Promise.all(lists)).flatMap(({ items }) => items.map(({ metadata }) => metadata.resourceVersion));
  };

  it('reaches the entries that it makes, and nobody writes anything in the rounds of five minutes', async (test) => {
    await eventually('west is ready', () => {
      const peer = writtenStatus(broker.status()).peers.find(({ trustDomain }) => trustDomain === WEST);
      return readiness(peer) === 'True Ready';
    });
    await eventually('the entries name it', async () => (await naming(WEST)).length === PODS.length);
    await eventually('SPIRE fetches north', async () => (await spire.listFederationRelationships()).length === 1);
    await rounds(3);
    const state = async () => ({
      entries: await shown(),
      bundle: await spire.getFederatedBundle(WEST),
      bootstrapped: await spire.getFederatedBundle(NORTH),
      relationships: await spire.listFederationRelationships(),
      versions: await versions(),
    });
    const [before, writes] = [await state(), manager.writes.length];
    const startMs = performance.now();
    await rounds(ROUNDS);
    const tookSeconds = (performance.now() - startMs) / 1_000;
    test.diagnostic(`${ROUNDS} rounds, one each ${INTERVAL_MS} ms, took ${tookSeconds.toFixed(0)} s`);
    assert.deepEqual(await state(), before);
    assert.equal(manager.writes.length, writes);
    assert.deepEqual(manager.failures, []);
    assert.equal(before.bundle?.sequenceNumber, 7n);
  });

  it('takes a peer from ClusterSPIFFEIDs, then from entries, then from SPIRE, and no update is ever refused', async () => {
    declare([]);
    await eventually('the bundle is gone', async () => (await spire.getFederatedBundle(WEST)) === undefined);
    assert.deepEqual(await naming(WEST), []);
    await eventually('both are forgotten', async () => (await spire.readManagedPeers()).size === 0);
    assert.deepEqual(await spire.listFederationRelationships(), []);
    assert.equal(await spire.getFederatedBundle(NORTH), undefined);
    await rounds(2);
    assert.deepEqual(manager.failures, []);
    assert.equal((await shown()).filter(({ id }) => id.startsWith('cluster.')).length, 2 * PODS.length);
  });
});
