// What is true now, for people and machines? The document behind /status and `fedbroker status`.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import {
  controllerManagerStanding,
  type ControllerManagerStanding,
} from '../federation/controller-manager-standing.ts';
import type { Evidence } from '../federation/evidence.ts';
import { indexEntries } from '../federation/entry-index.ts';
import type { Fact, Facts } from '../federation/facts.ts';
import type { WaitingRemoval } from '../federation/removal.ts';
import type { Auditor, AuditStatus } from './auditor.ts';
import { bundleStatus, type BundleStatus } from './bundle-status.ts';
import type { MeshReport } from './mesh-keeper.ts';
import { meshStatus, type MeshStatus } from './mesh-status.ts';
import type { PassResult } from './pass.ts';
import { peerStatus, type PeerStatus } from './peer-status.ts';
import { holdingConditions, type RotationStatus } from './rotation-status.ts';

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
  readonly peers: Iterable<PeerStatus>;
}

export interface UnreadableStatus {
  readonly reason: string;
  readonly message: string;
}

export interface StatusInput {
  readonly trustDomain: TrustDomain;
  readonly facts: Facts;
  /** Undefined before the first pass. */
  readonly lastPass: PassResult | undefined;
  /** Undefined before the mesh was looked at. */
  readonly lastMesh: MeshReport | undefined;
  readonly auditor: Auditor | undefined;
  readonly rotation: RotationStatus | undefined;
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
    peers: { [Symbol.iterator]: () => peerStatuses(input) },
    heldRemovals: plan?.heldRemovals ?? [],
    waitingRemovals: plan?.waitingRemovals ?? [],
    ...(heldBecause !== undefined && { heldBecause }),
    ...(controllerManager !== undefined && { controllerManager }),
    ...(lastMesh !== undefined && { mesh: meshStatus(lastMesh) }),
    ...(auditor !== undefined && { audit: auditor.status() }),
    ...(rotation !== undefined && { rotation }),
  };
}

function* peerStatuses({
  facts,
  lastPass,
  auditor,
  rotation,
  nextFetchAt,
  evidenceOf,
}: StatusInput): Generator<PeerStatus> {
  const entries = facts.entries.state === 'Known' ? indexEntries(facts.entries.value) : undefined;
  const holdingOf = holdingConditions(rotation);
  for (const peerPlan of lastPass?.plan.peers ?? []) {
    const next = nextFetchAt(peerPlan.peer.trustDomain);
    const head = auditor?.peer(peerPlan.peer.trustDomain)?.head;
    const entriesFederated = entries?.naming(peerPlan.peer.trustDomain).size ?? 0;
    const status = peerStatus(peerPlan, facts, lastPass, entriesFederated, evidenceOf(peerPlan.peer.trustDomain));
    const holding = holdingOf(peerPlan.peer.trustDomain);
    yield {
      ...status,
      ...(holding !== undefined && { conditions: status.conditions.toSpliced(-1, 0, holding) }),
      ...(next !== undefined && { nextFetch: next.toISOString() }),
      ...(head !== undefined && { audit: head }),
    };
  }
}

/** The whole document. */
export function writtenStatus(live: LiveStatus): BrokerStatus {
  return { ...live, peers: [...live.peers] };
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
