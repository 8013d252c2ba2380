// How does a broker run whose peers are PeerTrustDomain objects? As one of several replicas, of which one leads.
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { Standby } from '../broker/standby.ts';
import { StandbyPeers } from '../broker/standby-peers.ts';
import { Terms, type Role, type WorkingBroker } from '../broker/terms.ts';
import { newestAcknowledgements, type Acknowledgement } from '../federation/acknowledgement.ts';
import { systemClock } from '../federation/clock.ts';
import type { Peer } from '../federation/relationship.ts';
import type { ApiServer } from '../kubernetes/api-server.ts';
import { electionTimes, runElection } from '../kubernetes/election.ts';
import { HoldingWriter } from '../kubernetes/holding-writer.ts';
import { KubeError } from '../kubernetes/kube-error.ts';
import { peerInForce } from '../kubernetes/declared-object.ts';
import { toldHolding } from '../kubernetes/peer-holding.ts';
import { PeerResources } from '../kubernetes/peer-resources.ts';
import { clusterParts } from './cluster-parts.ts';
import { createBroker, type BrokerGround } from './create-broker.ts';
import { FailureLog } from './failure-log.ts';
import { leadingBroker } from './leading-broker.ts';
import { meshParts } from './mesh-parts.ts';
import { openKubernetes } from './open-kubernetes.ts';
import type { Replica } from './replica.ts';
import { readBootstrap } from './wiring.ts';

export async function replicaOfKubernetes(ground: BrokerGround): Promise<Replica> {
  const api = await openKubernetes(ground.config);
  const namespace = ground.config.kubernetesNamespace ?? api.namespace;
  if (namespace !== undefined) return new KubernetesReplica(ground, api, namespace);
  api.close();
  const message =
    'the namespace of the Lease is not known: neither the service account nor the context of the kubeconfig has one; set kubernetesNamespace';
  throw new KubeError('KubeConfigInvalid', message);
}

const ROLE_MESSAGES: Readonly<Record<Role, string>> = {
  Leader: 'this replica leads: it writes to SPIRE and to the objects',
  Isolated:
    'the API server is out of reach: newer bundles are stored for the peers of the last declarations, and no peer is added or removed',
  Standby: 'this replica stands by',
};

const READING = 'read the PeerTrustDomains';
const HOLDING = 'read or write the Lease';

class KubernetesReplica implements Replica {
  readonly #ground: BrokerGround;
  readonly #api: ApiServer;
  readonly #namespace: string;
  /** The name for people, and what tells this process from its own earlier lives. */
  readonly #identity: string;
  readonly #resources: PeerResources;
  readonly #terms: Terms;
  readonly #holdings: HoldingWriter;
  readonly #end = new AbortController();
  readonly #failures: FailureLog;
  #leader: string | undefined;
  #running: Promise<unknown> = Promise.resolve();

  constructor(ground: BrokerGround, api: ApiServer, namespace: string) {
    const { config, trustDomain, spire, endpoint, log, metrics } = ground;
    this.#ground = ground;
    this.#api = api;
    this.#namespace = namespace;
    this.#failures = new FailureLog(log, systemClock);
    this.#identity = `${config.replicaIdentity ?? hostname()}_${randomUUID()}`;
    this.#resources = new PeerResources({
      api,
      clock: systemClock,
      random: Math.random,
      ownTrustDomain: trustDomain,
      onReading: (error) => {
        if (error === undefined) this.#failures.noteDone(READING);
        else this.#failures.note(READING, error);
      },
      onFault: (error) => {
        log.error({ err: error }, 'declarations were not taken up by a fault of this program');
      },
    });
    this.#holdings = new HoldingWriter({
      ...{ api, clock: systemClock, identity: this.#identity },
      onError: (error) => {
        this.#failures.note('tell what a peer holds', error);
      },
    });
    this.#terms = new Terms({
      elect: (lead, signal) => this.#elect(lead, signal),
      makeBroker: (role, mayWrite) => this.#makeBroker(role, mayWrite),
      standby: new Standby({
        ...{ trustDomain, spire, clock: systemClock, onOwnBundle: endpoint.publish },
        leader: () => this.#leader,
      }),
      standbyPeers: new StandbyPeers({
        ...{ spire, clock: systemClock },
        peers: () => this.#resources.objects().flatMap((each) => peerInForce(each) ?? []),
        readBootstrap: (peer) => this.#readBootstrap(peer),
      }),
      clock: systemClock,
      ownBundlePollMs: config.ownBundlePollMs,
      onRole: (role) => {
        metrics.set('leader', role === 'Leader' ? 1 : 0);
        log.info({ role, identity: this.#identity }, ROLE_MESSAGES[role]);
      },
    });
  }

  start = (): Promise<void> => {
    const { signal } = this.#end;
    this.#running = Promise.all([
      this.#resources.run(signal),
      this.#resources.watchObjects((objects) => {
        this.#holdings.update(objects);
        this.#tellHoldings(this.#terms);
      }, signal),
      this.#holdings.run(signal),
      this.#terms.run(signal),
    ]);
    return Promise.resolve();
  };

  stop = async (): Promise<void> => {
    this.#end.abort();
    await this.#running;
    this.#api.close();
  };

  status = (): ReturnType<Terms['status']> => this.#terms.status();
  refresh: Replica['refresh'] = (peer) => {
    this.#terms.refresh(peer);
  };
  refreshAll = (): void => {
    this.#terms.refreshAll();
  };

  peerBrokers: Replica['peerBrokers'] = {
    find: (trustDomain) => this.#terms.find(trustDomain),
    noteAcknowledged: (acknowledgement) => {
      this.#terms.noteAcknowledged(acknowledgement);
      this.#holdings.note(acknowledgement);
    },
    // Also of a replica that stands by: peers ask it too, and meet the same SVID.
    acknowledged: () => {
      const peers = this.#resources.objects().flatMap((each) => peerInForce(each) ?? []);
      const cut = new Set(peers.flatMap(({ suspend, trustDomain }) => (suspend === 'Revoke' ? [trustDomain] : [])));
      return newestAcknowledgements(this.#toldAcknowledgements().filter(({ trustDomain }) => !cut.has(trustDomain)));
    },
  };

  declarationFaults: Replica['declarationFaults'] = () => {
    if (this.#resources.readSince === undefined) return undefined;
    return this.#resources.objects().flatMap(({ object, state }) => {
      if (state.kind === 'InForce') return [];
      return [{ object: object.metadata.name, reason: state.reason, message: state.message }];
    });
  };

  details: Replica['details'] = () => ({
    replica: { identity: this.#identity, role: this.#terms.role, leader: this.#leader },
    declarations: {
      readSince: this.#resources.readSince,
      error: this.#resources.error && { reason: this.#resources.error.code, message: this.#resources.error.message },
    },
  });

  #elect(lead: Parameters<typeof runElection>[1], signal: AbortSignal): Promise<void> {
    const { leaseName: name, leaseDurationSeconds } = this.#ground.config;
    const namespace = this.#namespace;
    const options = {
      times: electionTimes(leaseDurationSeconds * 1_000),
      ...{ api: this.#api, clock: systemClock, random: Math.random, name, namespace, identity: this.#identity },
      ownTrustDomain: this.#ground.trustDomain,
      onLeader: (leader: string | undefined) => {
        this.#leader = leader;
        if (leader === undefined) {
          this.#ground.log.info('the Lease is free, or its holder is not known yet');
          return;
        }
        this.#failures.noteDone(HOLDING);
        if (leader === this.#identity) return;
        this.#ground.log.info({ leader }, 'another replica leads');
        this.#terms.noteOtherLeader();
      },
      onError: (error: KubeError) => {
        // Another broker's Lease could be read: nobody is cut off.
        if (error.code !== 'KubeAlreadyExists') this.#terms.noteLeaseFailure();
        this.#failures.note(HOLDING, error);
      },
    };
    return runElection(options, lead, signal);
  }

  #makeBroker(role: Exclude<Role, 'Standby'>, mayWrite: () => boolean): WorkingBroker {
    const notTakenUp = (what: string) => (error: unknown) => {
      this.#ground.log.error({ err: error }, `${what} were not taken up by a fault of this program`);
    };
    const cluster = { ...this.#ground, onFault: notTakenUp('objects of spire-controller-manager') };
    const mesh = meshParts(this.#api, {
      ...this.#ground,
      namespace: this.#namespace,
      onFault: notTakenUp('objects of the mesh'),
    });
    const declaredBy = {
      peers: this.#resources,
      readBootstrap: (peer: Peer) => this.#readBootstrap(peer),
      cluster: clusterParts(this.#api, cluster),
      ...(mesh !== undefined && { mesh }),
      isUpkeepOnly: () => role === 'Isolated',
      mayWrite,
    };
    if (role === 'Isolated') return createBroker(this.#ground, declaredBy);
    return leadingBroker(this.#ground, declaredBy, {
      ...{ api: this.#api, resources: this.#resources, identity: this.#identity },
      onRefresh: this.refresh,
      onDutyFailed: (duty, error) => {
        this.#failures.note(duty, error);
      },
      onStarted: (broker) => {
        this.#tellHoldings(broker);
      },
    });
  }

  /** What this replica has seen, and what the others have told. */
  #tellHoldings(to: Pick<Terms, 'noteAcknowledged'>): void {
    for (const acknowledgement of this.#toldAcknowledgements()) to.noteAcknowledged(acknowledgement);
  }

  #toldAcknowledgements(): readonly Acknowledgement[] {
    const told = this.#resources.objects().flatMap(({ object }) => toldHolding(object) ?? []);
    return [...told, ...this.#holdings.seen()];
  }

  #readBootstrap(peer: Peer) {
    return readBootstrap(peer, (source) => this.#resources.readBootstrap(source, this.#end.signal));
  }
}
