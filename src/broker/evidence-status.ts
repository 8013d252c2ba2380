// How is evidence told in /status? Fingerprints, subjects and dates; never the keys.
import { bundleDigest, type Bundle } from '../bundle/bundle.ts';
import { evidenceState, type Evidence, type EvidenceState } from '../federation/evidence.ts';
import type { Facts } from '../federation/facts.ts';
import type { PeerPlan } from '../federation/decide-peer.ts';
import { remindersOf, type Reminder } from '../federation/reminders.ts';
import { bundleStatus, type BundleStatus } from './bundle-status.ts';

export interface EvidenceStatus {
  readonly state: EvidenceState;
  readonly verdict: Evidence['verdict'];
  readonly reason: string;
  readonly message: string;
  readonly firstSeen: string;
  readonly lastSeen: string;
  readonly url?: string;
  /** SHA-256 fingerprints of who answered, leaf first. */
  readonly endpointCertificates: readonly string[];
  readonly releasable: boolean;
  /** Absent: what came was no bundle. */
  readonly bundle?: BundleStatus;
}

export interface EvidenceOfPeer {
  readonly evidence: readonly EvidenceStatus[];
  readonly reminders: readonly Reminder[];
}

export function evidenceOfPeer(
  { peer, verdict }: PeerPlan,
  facts: Facts,
  held: Bundle | undefined,
  evidence: readonly Evidence[],
): EvidenceOfPeer {
  const isStopped = verdict?.verdict === 'held' || verdict?.verdict === 'refused';
  const context = {
    heldDigest: held && bundleDigest(held),
    rejectDigests: peer.rejectDigests,
    current: isStopped ? facts.fetched.get(peer.trustDomain)?.document : undefined,
  };
  const judged = evidence.map((each) => ({ ...each, state: evidenceState(each, context) }));
  return {
    evidence: judged.map(evidenceStatus),
    reminders: remindersOf({ name: peer.name, held, evidence: judged, now: facts.now }),
  };
}

function evidenceStatus(evidence: Evidence & { readonly state: EvidenceState }): EvidenceStatus {
  const { state, verdict, reason, message, url, endpointCertificates, releasable, bundle } = evidence;
  return {
    ...{ state, verdict, reason, message },
    firstSeen: evidence.firstSeenAt.toISOString(),
    lastSeen: evidence.lastSeenAt.toISOString(),
    ...(url !== undefined && { url }),
    endpointCertificates,
    releasable,
    ...(bundle !== undefined && { bundle: bundleStatus(bundle) }),
  };
}
