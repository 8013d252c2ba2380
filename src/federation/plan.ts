// What must change so that SPIRE holds what is declared, and in which order? Pure: facts in, plain data out.
import type { Bundle } from '../bundle/bundle.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Verdict } from './acceptance.ts';
import { planEntryLinks, type EntryLinkChange } from './entry-links.ts';
import type { Facts } from './facts.ts';
import { findOtherWriter, type OtherWriter } from './other-writer.ts';
import { judgeOnce } from './judge-once.ts';
import type { FederationRelationship, ManagedPeers } from './ports.ts';
import type { Peer } from './relationship.ts';

/** One change. They run in the plan's order; a failed step ends the later steps of its own trust domains only. */
export type Step =
  | { readonly kind: 'RecordManagedPeers'; readonly added: readonly TrustDomain[]; readonly managed: ManagedPeers }
  | {
      readonly kind: 'CreateRelationship';
      readonly trustDomain: TrustDomain;
      readonly relationship: FederationRelationship;
      /** Only when SPIRE holds no bundle yet: it would overwrite the one it holds. */
      readonly bootstrap: Bundle | undefined;
    }
  | {
      readonly kind: 'UpdateRelationship';
      readonly trustDomain: TrustDomain;
      readonly relationship: FederationRelationship;
    }
  | { readonly kind: 'StoreBundle'; readonly trustDomain: TrustDomain; readonly bundle: Bundle }
  | { readonly kind: 'UpdateEntries'; readonly changes: readonly EntryLinkChange[] }
  | { readonly kind: 'DeleteRelationship'; readonly trustDomain: TrustDomain }
  | { readonly kind: 'DeleteBundle'; readonly trustDomain: TrustDomain; readonly mode: 'Restrict' | 'Dissociate' };

/** What was decided about one declared peer, and why. */
export interface PeerPlan {
  readonly peer: Peer;
  /** Undefined while nothing was fetched, and where SPIRE fetches. */
  readonly verdict: Verdict | undefined;
  readonly otherWriter: OtherWriter | undefined;
}

export interface FederationPlan {
  readonly steps: readonly Step[];
  readonly peers: readonly PeerPlan[];
  /** Managed trust domains without a declaration, which go. */
  readonly removed: readonly TrustDomain[];
  /** Managed trust domains without a declaration, kept because the declarations could not be read in full. */
  readonly heldRemovals: readonly TrustDomain[];
}

export interface PlanLimits {
  readonly maxRoots: number;
}

/**
 * The order, decided here and nowhere else: record what will be managed; relationships and bundles; the links of
 * entries, new and withdrawn in one update; relationships and bundles that go. What is gone is forgotten in the record
 * of a later plan, when SPIRE was read again without it. An unreadable fact plans nothing that would need it.
 */
export function planFederation(facts: Facts, limits: PlanLimits): FederationPlan {
  const { declared } = facts;
  if (declared.state === 'Unreadable') return { steps: [], peers: [], removed: [], heldRemovals: [] };
  const peers = declared.value.peers.map((peer) => decide(peer, facts, limits));
  const spire = readableSpire(facts);
  if (spire === undefined) return { steps: [], peers, removed: [], heldRemovals: [] };

  const declaredNames = new Set(peers.map(({ peer }) => peer.trustDomain));
  const undeclared = [...spire.managed.keys()].filter((name) => !declaredNames.has(name));
  const complete = declared.value.incompleteBecause === undefined;
  const removed = complete ? undeclared : [];

  const upkept = peers.filter((plan) => plan.peer.suspend === 'Active' && plan.otherWriter === undefined);
  const cut = upkept
    .filter((plan) => plan.verdict?.verdict === 'revoked')
    .concat(peers.filter((plan) => plan.peer.suspend === 'Revoke' && plan.otherWriter === undefined));
  const upkeep = upkept.filter((plan) => !cut.includes(plan)).flatMap((plan) => upkeepSteps(plan, facts, spire));
  const stored = new Set(upkeep.flatMap((step) => (step.kind === 'StoreBundle' ? [step.trustDomain] : [])));
  const changes = planEntryLinks({
    entries: spire.entries,
    held: upkept
      .filter((plan) => !cut.includes(plan))
      .map(({ peer }) => peer)
      .filter(({ trustDomain }) => stored.has(trustDomain) || holdsRoots(spire.stored.get(trustDomain))),
    leaving: new Set(removed),
  });
  return {
    steps: [
      ...recordSteps(spire, upkept, removed),
      ...upkeep,
      ...(changes.length > 0 ? [{ kind: 'UpdateEntries', changes } as const] : []),
      ...removed.flatMap((name) => removalSteps(name, 'Restrict', spire)),
      ...cut.flatMap(({ peer }) => removalSteps(peer.trustDomain, 'Dissociate', spire)),
    ],
    peers,
    removed,
    heldRemovals: complete ? [] : undeclared,
  };
}

/** What SPIRE holds, read in full. */
interface SpireState {
  readonly stored: ReadonlyMap<TrustDomain, Bundle>;
  readonly relationships: ReadonlyMap<TrustDomain, FederationRelationship>;
  readonly entries: readonly EntryLinkChange['entry'][];
  readonly managed: ManagedPeers;
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

function decide(peer: Peer, facts: Facts, limits: PlanLimits): PeerPlan {
  const otherWriter = findOtherWriter(peer, facts);
  const document = facts.fetched.get(peer.trustDomain)?.document;
  if (document === undefined || peer.mode === 'Delegate' || facts.stored.state === 'Unreadable') {
    return { peer, verdict: undefined, otherWriter };
  }
  const verdict = judgeOnce({
    peer,
    content: document.content,
    held: facts.stored.value.get(peer.trustDomain),
    knownRoots: facts.knownRoots,
    maxRoots: limits.maxRoots,
    now: facts.now,
  });
  return { peer, verdict, otherWriter };
}

function upkeepSteps({ peer, verdict }: PeerPlan, facts: Facts, spire: SpireState): Step[] {
  const { trustDomain } = peer;
  const relationship = spire.relationships.get(trustDomain);
  if (peer.mode === 'Delegate') return delegateSteps(peer, relationship, facts, spire);
  // Only a relationship of ours reaches this point: it is left from the time when SPIRE fetched for us.
  if (relationship !== undefined) return [{ kind: 'DeleteRelationship', trustDomain }];
  const probed = facts.staticPollers.has(trustDomain);
  return verdict?.verdict === 'accepted' && probed
    ? [{ kind: 'StoreBundle', trustDomain, bundle: verdict.bundle }]
    : [];
}

function delegateSteps(
  peer: Peer,
  current: FederationRelationship | undefined,
  facts: Facts,
  spire: SpireState,
): Step[] {
  const { trustDomain, bundleEndpointUrl, profile } = peer;
  const relationship: FederationRelationship = { trustDomain, bundleEndpointUrl, profile };
  if (current === undefined) {
    if (peer.bootstrap === undefined || spire.stored.has(trustDomain)) {
      return [{ kind: 'CreateRelationship', trustDomain, relationship, bootstrap: undefined }];
    }
    const bootstrap = facts.bootstraps.get(trustDomain);
    return bootstrap?.state === 'Known'
      ? [{ kind: 'CreateRelationship', trustDomain, relationship, bootstrap: bootstrap.value }]
      : [];
  }
  return sameRelationship(current, relationship) ? [] : [{ kind: 'UpdateRelationship', trustDomain, relationship }];
}

function sameRelationship(a: FederationRelationship, b: FederationRelationship): boolean {
  const endpointId = ({ profile }: FederationRelationship) =>
    profile.type === 'https_spiffe' ? profile.endpointSpiffeId : undefined;
  return (
    a.bundleEndpointUrl === b.bundleEndpointUrl && a.profile.type === b.profile.type && endpointId(a) === endpointId(b)
  );
}

function removalSteps(trustDomain: TrustDomain, mode: 'Restrict' | 'Dissociate', spire: SpireState): Step[] {
  const steps: Step[] = [];
  if (spire.managed.get(trustDomain) === 'Delegate' && spire.relationships.has(trustDomain)) {
    steps.push({ kind: 'DeleteRelationship', trustDomain });
  }
  if (spire.stored.has(trustDomain)) steps.push({ kind: 'DeleteBundle', trustDomain, mode });
  return steps;
}

/** Written before the first change for a new peer, so that a broker that dies in between still knows what is its own. */
function recordSteps(spire: SpireState, upkept: readonly PeerPlan[], removed: readonly TrustDomain[]): Step[] {
  const record = new Map(spire.managed);
  for (const name of removed) {
    if (removalSteps(name, 'Restrict', spire).length === 0) record.delete(name);
  }
  const added: TrustDomain[] = [];
  for (const { peer } of upkept) {
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

function holdsRoots(bundle: Bundle | undefined): boolean {
  return bundle !== undefined && bundle.x509Authorities.length > 0;
}
