// What is true now, for people and machines? The document behind /status and `fedbroker status`.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import {
  controllerManagerStanding,
  type ControllerManagerStanding,
} from '../federation/controller-manager-standing.ts';
import type { Evidence } from '../federation/evidence.ts';
import type { Fact, Facts } from '../federation/facts.ts';
import type { WaitingRemoval } from '../federation/removal.ts';
import type { Auditor, AuditStatus } from './auditor.ts';
import { bundleStatus, type BundleStatus } from './bundle-status.ts';
import type { MeshReport } from './mesh-keeper.ts';
import { meshStatus, type MeshStatus } from './mesh-status.ts';
import { peerStandings, type PeerStanding, type StandingInput } from './peer-standing.ts';
import { peerStatus, type PeerStatus } from './peer-status.ts';
import type { RotationStatus } from './rotation-status.ts';

export interface BrokerStatus {
  readonly trustDomain: TrustDomain;
  readonly now: string;
  readonly ownBundle: (BundleStatus & { readonly readAt: string }) | UnreadableStatus;
  /** Set while SPIRE or the declarations cannot be read; what follows is then what was true before. */
  readonly unreadable: readonly (UnreadableStatus & { readonly fact: string })[];
  readonly peers: readonly PeerStatus[];
  /** No longer declared, and kept: see `heldBecause`. */
  readonly heldRemovals: readonly TrustDomain[];
  readonly heldBecause?: string;
  /** No longer declared, and waiting for others before their bundle goes. */
  readonly waitingRemovals: readonly WaitingRemoval[];
  /** Absent without spire-controller-manager, and where nobody said where to look for it. */
  readonly controllerManager?: ControllerManagerStanding;
  /** Absent where no mesh is written for, and before it was looked at. */
  readonly mesh?: MeshStatus;
  /** Absent where nothing is recorded. */
  readonly audit?: AuditStatus;
  /** Absent where the authorities are not looked at. */
  readonly rotation?: RotationStatus;
}

/** As a running broker tells it. */
export interface LiveStatus extends Omit<BrokerStatus, 'peers'> {
  /** Each is made when it is asked for and can go again at once: a thousand together are megabytes. */
  readonly peers: Iterable<LivePeer>;
}

export interface LivePeer {
  readonly standing: PeerStanding;
  readonly written: () => PeerStatus;
}

export interface UnreadableStatus {
  readonly reason: string;
  readonly message: string;
}

export interface StatusInput extends StandingInput {
  readonly trustDomain: TrustDomain;
  /** Undefined before the mesh was looked at. */
  readonly lastMesh: MeshReport | undefined;
  readonly auditor: Auditor | undefined;
  readonly nextFetchAt: (trustDomain: TrustDomain) => Date | undefined;
  /** Newest first. */
  readonly evidenceOf: (trustDomain: TrustDomain) => readonly Evidence[];
}

const READ_FACTS = [
  'declared',
  'stored',
  'relationships',
  'entries',
  'managed',
  'clusterSpiffeIds',
  'federatedTrustDomains',
  'controllerManager',
] as const;

export function liveStatus(input: StatusInput): LiveStatus {
  const { trustDomain, facts, lastPass, lastMesh, auditor, rotation } = input;
  const plan = lastPass?.plan;
  const controllerManager = controllerManagerStanding(facts);
  const heldBecause = facts.declared.state === 'Known' ? facts.declared.value.incompleteBecause : undefined;
  return {
    trustDomain,
    now: facts.now.toISOString(),
    ownBundle: ownBundleStatus(facts),
    unreadable: READ_FACTS.flatMap((fact) => {
      const value: Fact<unknown> | undefined = facts[fact];
      return value?.state === 'Unreadable' ? [{ fact, ...unreadableStatus(value) }] : [];
    }),
    peers: { [Symbol.iterator]: () => livePeers(input) },
    heldRemovals: plan?.heldRemovals ?? [],
    waitingRemovals: plan?.waitingRemovals ?? [],
    ...(heldBecause !== undefined && { heldBecause }),
    ...(controllerManager !== undefined && { controllerManager }),
    ...(lastMesh !== undefined && { mesh: meshStatus(lastMesh) }),
    ...(auditor !== undefined && { audit: auditor.status() }),
    ...(rotation !== undefined && { rotation }),
  };
}

function* livePeers(input: StatusInput): Generator<LivePeer> {
  const { facts, auditor, nextFetchAt, evidenceOf } = input;
  for (const standing of peerStandings(input)) {
    const { trustDomain } = standing.plan.peer;
    yield {
      standing,
      written: () =>
        peerStatus(standing, {
          facts,
          evidence: evidenceOf(trustDomain),
          nextFetchAt: nextFetchAt(trustDomain),
          auditHead: auditor?.peer(trustDomain)?.head,
        }),
    };
  }
}

/** The whole document. */
export function writtenStatus(live: LiveStatus): BrokerStatus {
  return { ...live, peers: Array.from(live.peers, ({ written }) => written()) };
}

/** Of a replica that looks at nothing but our own bundle. `leader`: its identity; undefined: not known. */
export function standbyStatus(trustDomain: TrustDomain, facts: Facts, leader: string | undefined): LiveStatus {
  const ownBundle = ownBundleStatus(facts);
  const nothing = { unreadable: [], peers: [], heldRemovals: [], waitingRemovals: [] };
  const who = leader === undefined ? 'none does now' : `ask ${leader}`;
  const rotation = {
    reason: 'StandsBy',
    message: `this replica stands by, and only the one that leads knows the peers and who holds what: ${who}`,
  };
  return { trustDomain, now: facts.now.toISOString(), ownBundle, ...nothing, rotation };
}

function ownBundleStatus({ ownBundle }: Facts): BrokerStatus['ownBundle'] {
  return ownBundle.state === 'Known'
    ? { ...bundleStatus(ownBundle.value), readAt: ownBundle.at.toISOString() }
    : unreadableStatus(ownBundle);
}

function unreadableStatus({ reason, message }: UnreadableStatus): UnreadableStatus {
  return { reason, message };
}
