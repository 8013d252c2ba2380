// Is the end the same whatever happens to the replica that leads: killed at any write, asked to end, hung, cut off?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { BrokerStatus } from '../../src/broker/status.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import type { SpireServerClient } from '../../src/spire/spire-server.ts';
import { declarationOf, startBroker, type Broker, type BrokerFlags } from './harness/broker.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { startKubeProxy, type KubeProxy, type PeerWrite } from './harness/kube-proxy.ts';
import { startKubeSide, staysTheSame, type KubeSide } from './harness/kube-side.ts';
import { localAuthority } from './harness/local-authority.ts';
import { startSpireProxy, type SpireProxy } from './harness/spire-proxy.ts';
import { startSpireServer, type SpireServer } from './harness/spire-server.ts';
import { openApi, ownRoots, storedRoots } from './harness/stored-roots.ts';

/** So that the many take-overs of this file take seconds; the hand-over is measured with the default. */
const SHORT_LEASE_SECONDS = 5;
const DEFAULT_LEASE_MS = 15_000;
const HAND_OVER_MS = 2_000;
/** Two of the intervals in which SPIRE is read anew. */
const WATCHED_MS = 20_000;

const WRITES_OF_DECLARING = ['BatchUpdateEntry', 'BatchSetFederatedBundle', 'BatchUpdateEntry'];
const WRITES_OF_DELETING = ['BatchUpdateEntry', 'BatchDeleteFederatedBundle', 'BatchUpdateEntry'];

/** A write after which the leader is killed: the nth to SPIRE, or one to the API server. */
type Moment = number | PeerWrite;

const KILLS: readonly { readonly declaring: Moment; readonly deleting: Moment }[] = [
  { declaring: 1, deleting: 1 },
  { declaring: 2, deleting: 2 },
  { declaring: 3, deleting: 3 },
  { declaring: 'AddFinalizer', deleting: 'Status' },
  { declaring: 'Status', deleting: 'RemoveFinalizer' },
];

interface ReplicaStatus extends BrokerStatus {
  readonly replica: { readonly identity: string; readonly role: string; readonly leader?: string };
}

interface Peer {
  readonly server: SpireServer;
  readonly broker: Broker;
  readonly api: SpireServerClient;
}

describe('replicas of the broker on real SPIRE and a real API server', () => {
  const cleanup = new Cleanup();
  let side: KubeSide;
  let west: Peer;
  let south: Peer;
  let spireProxy: SpireProxy;
  let kubeProxy: KubeProxy;
  let api: SpireServerClient;

  before(async () => {
    [side, west, south] = await Promise.all([
      startKubeSide(cleanup, 'east.test', {
        replicas: 0,
        flags: { 'lease-duration-seconds': SHORT_LEASE_SECONDS },
        flagsFor: async ({ server, kube }) => {
          spireProxy = await startSpireProxy(cleanup, server.folder, server.socketPath);
          kubeProxy = await startKubeProxy(cleanup, kube);
          return { 'spire-socket': spireProxy.socketPath };
        },
      }),
      startPeer('west.test'),
      startPeer('south.test'),
    ]);
    api = openApi(cleanup, side.server);
    for (let count = 1; count <= 2; count++) await addReplica();
  });
  after(() => cleanup.run());

  async function startPeer(trustDomain: string): Promise<Peer> {
    const server = await startSpireServer(cleanup, trustDomain);
    return { server, broker: await startBroker(cleanup, server), api: openApi(cleanup, server) };
  }

  const identityOf = (index: number) => `replica-${index + 1}`;

  function addReplica(flags: BrokerFlags = {}): Promise<Broker> {
    const kubeconfig = kubeProxy.kubeconfigOf(identityOf(side.replicas.length));
    return side.addReplica({ ...flags, kubeconfig });
  }

  async function federate(name: string, { server, broker }: Peer): Promise<void> {
    const federatesWith = { entries: [{ spiffeID: `spiffe://${side.trustDomain}/workload` }] };
    await side.apply(name, await declarationOf(broker, server, { federatesWith }));
  }

  async function entry(): Promise<{ readonly federatesWith: readonly string[]; readonly revision: number }> {
    const shown = await side.server.cliJson<{ entries: { federates_with: string[]; revision_number: string }[] }>([
      ...['entry', 'show', '-entryID', side.entryId],
    ]);
    const [found] = shown.entries;
    return { federatesWith: found!.federates_with, revision: Number(found!.revision_number) };
  }

  /** All that SPIRE holds of ours. */
  async function inSpire() {
    const bundles = await api.listFederatedBundles();
    return {
      entry: await entry(),
      bundles: bundles.map(({ trustDomain, sequenceNumber }) => `${trustDomain} ${sequenceNumber ?? ''}`).sort(),
      managed: [...(await api.readManagedPeers()).keys()].sort(),
      ownSequence: (await api.readOwnBundle()).sequenceNumber,
    };
  }

  async function federated(): Promise<void> {
    await side.waitForObject('west');
    assert.deepEqual(await storedRoots(api, 'west.test'), await ownRoots(west.api));
  }

  async function gone(): Promise<void> {
    await eventually('the object is gone', async () => (await side.object('west')) === undefined, {
      timeoutMs: 60_000,
    });
    const { entry: left, bundles, managed } = await inSpire();
    assert.deepEqual({ links: left.federatesWith, bundles, managed }, { links: [], bundles: [], managed: [] });
  }

  async function roleOf(replica: Broker): Promise<ReplicaStatus['replica'] | undefined> {
    try {
      return ((await replica.status()) as ReplicaStatus).replica;
    } catch {
      return undefined;
    }
  }

  /** Of the replicas in question, the one that says of itself that it leads. */
  function leaderAmong(replicas: readonly Broker[]): Promise<Broker> {
    return eventually(
      'a replica leads',
      async () => {
        const roles = await Promise.all(replicas.map(roleOf));
        return replicas.find((_, index) => roles[index]?.role === 'Leader');
      },
      { intervalMs: 20 },
    );
  }

  const others = (than: Broker) => side.replicas.filter((replica) => replica !== than);

  /**
   * Kills the leader at this moment of what `act` starts, and the API server and etcd with it; tells which writes SPIRE
   * has seen when all is done.
   */
  async function killedAt(
    moment: Moment,
    act: () => Promise<void>,
    end: () => Promise<void>,
  ): Promise<readonly string[]> {
    const leader = await leaderAmong(side.replicas);
    const before = spireProxy.writes.length;
    const killed = new Promise<void>((resolve, reject) => {
      const kill = () => {
        leader.kill().then(resolve, reject);
      };
      if (typeof moment === 'number') spireProxy.loseAnswer(moment, kill);
      else kubeProxy.loseAnswer(moment, kill);
    });
    await act();
    await killed;
    await restartApiServer();
    await end();
    const writes = spireProxy.writes.slice(before);
    await leaderAmong(others(leader));
    await leader.restart();
    return writes;
  }

  async function restartApiServer(): Promise<void> {
    await side.kube.kill();
    await side.kube.etcd.kill();
    await side.kube.etcd.restart();
    await side.kube.restart();
  }

  it('make three writes to SPIRE when a peer is declared, and three when its object is deleted', async () => {
    await leaderAmong(side.replicas);
    await federate('west', west);
    await federated();
    await side.remove('west');
    await gone();
    const [createsRecord, ...writes] = spireProxy.writes;
    assert.equal(createsRecord, 'BatchCreateEntry');
    assert.deepEqual(writes, [...WRITES_OF_DECLARING.slice(1), ...WRITES_OF_DELETING]);
  });

  for (const { declaring, deleting } of KILLS) {
    it(`end the same, with no write more, when the leader is killed after write ${declaring} of declaring and ${deleting} of deleting, and the API server and etcd with it`, async () => {
      const { revision } = await entry();
      const declared = await killedAt(declaring, () => federate('west', west), federated);
      assert.deepEqual(declared, WRITES_OF_DECLARING);
      assert.deepEqual(await entry(), { federatesWith: ['west.test'], revision: revision + 1 });
      const deleted = await killedAt(deleting, () => side.remove('west'), gone);
      assert.deepEqual(deleted, WRITES_OF_DELETING);
      assert.deepEqual(await entry(), { federatesWith: [], revision: revision + 2 });
    });
  }

  it('do no harm when two of them believe to lead: one that hung in the middle of a pass goes on', async () => {
    await federate('west', west);
    await federated();
    const hung = await leaderAmong(side.replicas);
    const stopped = new Promise<void>((resolve) => {
      // The bundle is stored, and the entries would come next.
      spireProxy.holdAnswer(2, () => {
        process.kill(hung.pid(), 'SIGSTOP');
        resolve();
      });
    });
    await federate('south', south);
    await stopped;
    await leaderAmong(others(hung));
    await side.remove('west');
    await eventually('the object is gone', async () => (await side.object('west')) === undefined);
    await side.waitForObject('south');
    const [spireWrites, asked] = [spireProxy.writes.length, kubeProxy.changesAsked.length];
    process.kill(hung.pid(), 'SIGCONT');
    await stepsBack(hung);
    await staysFederatedWith(south);
    assert.deepEqual(spireProxy.writes.slice(spireWrites), [], 'SPIRE');
    const itsFrom = (start: number) =>
      kubeProxy.changesAsked.slice(start).filter(({ who }) => who === identityOf(side.replicas.indexOf(hung)));
    assert.notEqual(itsFrom(0).length, 0, 'while it led');
    assert.deepEqual(itsFrom(asked), [], 'the API server');
  });

  async function stepsBack(replica: Broker): Promise<void> {
    const leading = await roleOf(await leaderAmong(others(replica)));
    await eventually('it steps back and knows who leads', async () => {
      const own = await roleOf(replica);
      return own?.role === 'Standby' && own.leader === leading?.identity;
    });
  }

  /** And with nobody else, and nothing flaps. */
  async function staysFederatedWith(peer: Peer): Promise<void> {
    const { trustDomain } = peer.server;
    const [before, later] = await staysTheSame(inSpire, WATCHED_MS);
    assert.deepEqual(later, before);
    assert.deepEqual([later.entry.federatesWith, later.managed], [[trustDomain], [trustDomain]]);
    assert.equal(later.bundles.length, 1);
    assert.deepEqual(await storedRoots(api, trustDomain), await ownRoots(peer.api));
  }

  it('hand over within two seconds when one is asked to end, and within its Lease when it is killed', async (test) => {
    await Promise.all(side.replicas.map((replica) => replica.end()));
    const settings = { 'lease-duration-seconds': DEFAULT_LEASE_MS / 1_000 };
    const pair = [await addReplica(settings), await addReplica(settings)];
    for (const { how, withinMs } of [
      { how: 'end', withinMs: HAND_OVER_MS },
      { how: 'kill', withinMs: DEFAULT_LEASE_MS },
    ] as const) {
      const leader = await leaderAmong(pair);
      const startMs = performance.now();
      const [, next] = await Promise.all([leader[how](), leaderAmong(pair.filter((replica) => replica !== leader))]);
      const tookMs = performance.now() - startMs;
      test.diagnostic(`${how}: another replica leads after ${tookMs.toFixed(0)} ms`);
      assert.notEqual(next, leader);
      assert.ok(tookMs < withinMs, `${how} took ${tookMs.toFixed(0)} ms`);
      await leader.restart();
    }
  });

  it('begin and end nothing while the API server is gone, but store newer bundles', async () => {
    const leader = await leaderAmong(side.replicas);
    await side.kube.kill();
    await eventually('the leader works alone', async () => (await roleOf(leader))?.role === 'Isolated', {
      timeoutMs: 60_000,
    });
    const { entry: before } = await inSpire();
    // An undeclared peer would be ended, and an entry that names too few would be linked.
    await api.writeManagedPeers(new Map([...(await api.readManagedPeers()), [parseTrustDomain('lost.test'), 'Own']]));
    await api.updateFederatesWith([{ id: side.entryId, federatesWith: [] }]);
    await localAuthority(south.server, 'x509').prepare();
    const roots = String(await ownRoots(south.api));
    await eventually('the new root is stored', async () => String(await storedRoots(api, 'south.test')) === roots);
    // Long enough for it to have read all that was changed.
    const [, later] = await staysTheSame(inSpire, 12_000);
    assert.deepEqual(later.entry, { federatesWith: [], revision: before.revision + 1 });
    assert.deepEqual(later.managed, ['lost.test', 'south.test']);
    await side.kube.restart();
    await eventually('all is as declared', async () => {
      const { entry: now, managed } = await inSpire();
      return String(now.federatesWith) === 'south.test' && String(managed) === 'south.test';
    });
  });
});
