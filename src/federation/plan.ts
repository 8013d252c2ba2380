// What must change so that SPIRE holds what is declared, and in which order? Pure: facts in, plain data out.
import type { Bundle } from '../bundle/bundle.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { planClusterSpiffeIdLinks, type ClusterSpiffeIdChange } from './cluster-spiffeid-links.ts';
import { besideUs, mayEditEntry, ownsAllEntries, renderedClusterSpiffeIds } from './controller-manager.ts';
import { decidePeer, type PeerPlan } from './decide-peer.ts';
import {
  delegationSteps,
  knowsDelegation,
  undelegationSteps,
  type DelegationStep,
  type StoreBundleStep,
} from './delegation.ts';
import { planEntryLinks, type EntryLinkChange } from './entry-links.ts';
import type { Facts } from './facts.ts';
import type { ManagedPeers } from './ports.ts';
import {
  removalSteps,
  waitingRemoval,
  type DeleteBundleStep,
  type SpireState,
  type WaitingRemoval,
} from './removal.ts';

/** One change. They run in the plan's order; a failed step ends the later steps of its own trust domains only. */
export type Step =
  | { readonly kind: 'RecordManagedPeers'; readonly added: readonly TrustDomain[]; readonly managed: ManagedPeers }
  | DelegationStep
  | StoreBundleStep
  | { readonly kind: 'UpdateClusterSpiffeIds'; readonly changes: readonly ClusterSpiffeIdChange[] }
  | { readonly kind: 'UpdateEntries'; readonly changes: readonly EntryLinkChange[] }
  | DeleteBundleStep;

export interface FederationPlan {
  readonly steps: readonly Step[];
  readonly peers: readonly PeerPlan[];
  /** Managed trust domains without a declaration, which go. */
  readonly removed: readonly TrustDomain[];
  /** Managed trust domains without a declaration, kept because the declarations could not be read in full. */
  readonly heldRemovals: readonly TrustDomain[];
  /** Those of `removed` whose bundle stays until others have let go of it. */
  readonly waitingRemovals: readonly WaitingRemoval[];
}

export interface PlanLimits {
  readonly maxRoots: number;
  /**
   * True while the Kubernetes API server is out of reach for longer than we may be sure to lead: newer bundles are
   * stored for peers that SPIRE already holds one of, and nothing else is changed. Default false.
   */
  readonly upkeepOnly?: boolean;
}

/**
 * The order, decided here and nowhere else: record what will be managed; relationships and bundles; the links of
 * ClusterSPIFFEIDs, then those of entries, new and withdrawn in one update; relationships and bundles that go. What is
 * gone is forgotten in the record of a later plan, when SPIRE was read again without it. An unreadable fact plans
 * nothing that would need it. Where no record can be kept, bundles are kept new and nothing else is done;
 * while it is not known whether it can, the same holds for peers that are not recorded.
 */
export function planFederation(facts: Facts, limits: PlanLimits): FederationPlan {
  const { declared } = facts;
  if (declared.state === 'Unreadable') return nothing([]);
  const peers = declared.value.peers.map((peer) => decidePeer(peer, facts, limits));
  const spire = readableSpire(facts);
  if (spire === undefined) return nothing(peers);
  if (limits.upkeepOnly === true || ownsAllEntries(besideUs(facts.controllerManager))) {
    return { ...nothing(peers), steps: storingSteps(peers, facts, spire) };
  }

  const declaredNames = new Set(peers.map(({ peer }) => peer.trustDomain));
  const undeclared = [...spire.managed.keys()].filter((name) => !declaredNames.has(name));
  const complete = declared.value.incompleteBecause === undefined;
  const removed = complete ? undeclared : [];
  const waitingRemovals = removed.flatMap((name) => waitingRemoval(name, facts, spire) ?? []);
  const waiting = new Set(waitingRemovals.map(({ trustDomain }) => trustDomain));
  const going = new Set(removed.filter((name) => !waiting.has(name)));

  const undisputed = peers.filter(({ otherWriter }) => otherWriter === undefined);
  const mayTakeUp = besideUs(facts.controllerManager).kind !== 'Unknown';
  const isTakenUp = ({ peer, waitsForConsent }: PeerPlan) =>
    (mayTakeUp || spire.managed.has(peer.trustDomain)) && !waitsForConsent;
  const active = undisputed.filter((plan) => plan.peer.suspend === 'Active' && isTakenUp(plan));
  const cut = undisputed.filter((plan) => plan.cut !== undefined);
  const upkept = active.filter((plan) => plan.cut === undefined);
  const notTakenUp = undisputed.filter((plan) => !isTakenUp(plan));
  const upkeep = [
    ...upkept.flatMap((plan) => upkeepSteps(plan, facts, spire)),
    ...storingSteps(notTakenUp, facts, spire),
  ];
  return {
    steps: [
      ...recordSteps(
        spire,
        active,
        (name) => removed.includes(name) && !waiting.has(name) && isGone(name, facts, spire),
      ),
      ...upkeep,
      ...linkSteps({ upkept, upkeep, removed, cut }, facts, spire),
      ...[...going].flatMap((name) => removalSteps(name, 'Restrict', facts, spire)),
      ...cut.flatMap(({ peer }) => removalSteps(peer.trustDomain, 'Dissociate', facts, spire)),
    ],
    peers,
    removed,
    heldRemovals: complete ? [] : undeclared,
    waitingRemovals,
  };
}

function nothing(peers: readonly PeerPlan[]): FederationPlan {
  return { steps: [], peers, removed: [], heldRemovals: [], waitingRemovals: [] };
}

function readableSpire({ stored, relationships, entries, managed }: Facts): SpireState | undefined {
  if (
    stored.state === 'Unreadable' ||
    relationships.state === 'Unreadable' ||
    entries.state === 'Unreadable' ||
    managed.state === 'Unreadable'
  ) {
    return undefined;
  }
  return {
    stored: stored.value,
    relationships: relationships.value,
    entries: entries.value,
    managed: managed.value,
  };
}

function upkeepSteps(plan: PeerPlan, facts: Facts, spire: SpireState): Step[] {
  const { peer } = plan;
  if (peer.mode === 'Delegate') return delegationSteps(peer, facts, spire);
  // Only what is ours reaches this point: it is left from the time when SPIRE fetched for us.
  const undelegation = undelegationSteps(peer.trustDomain, facts, spire);
  if (undelegation.length === 0) return storingStep(plan, facts);
  return knowsDelegation(facts) ? undelegation : [];
}

function storingStep({ peer: { trustDomain }, verdict }: PeerPlan, facts: Facts): Step[] {
  return verdict?.verdict === 'accepted' && facts.staticPollers.has(trustDomain)
    ? [{ kind: 'StoreBundle', trustDomain, bundle: verdict.bundle }]
    : [];
}

/** Of peers that SPIRE holds a bundle of: what keeps trust that is there, and takes up or gives up none. */
function storingSteps(peers: readonly PeerPlan[], facts: Facts, { stored, relationships }: SpireState): Step[] {
  return peers
    .filter(({ otherWriter }) => otherWriter === undefined)
    .filter(({ peer: { suspend, trustDomain } }) => {
      return suspend === 'Active' && holdsRoots(stored.get(trustDomain)) && !relationships.has(trustDomain);
    })
    .flatMap((plan) => storingStep(plan, facts));
}

interface LinkedPeers {
  readonly upkept: readonly PeerPlan[];
  readonly upkeep: readonly Step[];
  readonly removed: readonly TrustDomain[];
  readonly cut: readonly PeerPlan[];
}

/** Entries of cut peers are not updated: SPIRE dissociates them with the bundle, at once. */
function linkSteps({ upkept, upkeep, removed, cut }: LinkedPeers, facts: Facts, spire: SpireState): Step[] {
  const beside = besideUs(facts.controllerManager);
  const stored = new Set(upkeep.flatMap((step) => (step.kind === 'StoreBundle' ? [step.trustDomain] : [])));
  const inForce = upkept.map(({ peer }) => peer);
  const held = inForce.filter(
    ({ trustDomain }) => stored.has(trustDomain) || holdsRoots(spire.stored.get(trustDomain)),
  );
  const objectChanges = planClusterSpiffeIdLinks({
    clusterSpiffeIds: renderedClusterSpiffeIds(facts, beside),
    held,
    inForce,
    leaving: new Set([...removed, ...cut.map(({ peer }) => peer.trustDomain)]),
  });
  const entryChanges = planEntryLinks({
    entries: spire.entries,
    held,
    leaving: new Set(removed),
    mayEdit: (entry) => mayEditEntry(beside, entry),
  });
  return [
    ...(objectChanges.length > 0 ? [{ kind: 'UpdateClusterSpiffeIds', changes: objectChanges } as const] : []),
    ...(entryChanges.length > 0 ? [{ kind: 'UpdateEntries', changes: entryChanges } as const] : []),
  ];
}

/** Written before the first change for a new peer, so that a broker that dies in between still knows what is its own. */
function recordSteps(
  spire: SpireState,
  active: readonly PeerPlan[],
  isForgotten: (trustDomain: TrustDomain) => boolean,
): Step[] {
  const record = new Map([...spire.managed].filter(([name]) => !isForgotten(name)));
  const added: TrustDomain[] = [];
  for (const { peer } of active) {
    const recorded = record.get(peer.trustDomain);
    if (recorded === peer.mode) continue;
    // A relationship of ours must stay known as ours until it is gone.
    if (recorded === 'Delegate' && spire.relationships.has(peer.trustDomain)) continue;
    record.set(peer.trustDomain, peer.mode);
    added.push(peer.trustDomain);
  }
  const changed = added.length > 0 || record.size !== spire.managed.size;
  return changed ? [{ kind: 'RecordManagedPeers', added, managed: record }] : [];
}

function isGone(trustDomain: TrustDomain, facts: Facts, spire: SpireState): boolean {
  return removalSteps(trustDomain, 'Restrict', facts, spire).length === 0;
}

function holdsRoots(bundle: Bundle | undefined): boolean {
  return bundle !== undefined && bundle.x509Authorities.length > 0;
}
