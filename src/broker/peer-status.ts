// Where does one peer stand, as /status says it?
import { bundleDigest } from '../bundle/bundle.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Notice, Verdict } from '../federation/acceptance.ts';
import type { AuditHead } from '../federation/audit-trail.ts';
import type { Condition } from '../federation/conditions.ts';
import type { Evidence } from '../federation/evidence.ts';
import type { Facts, FetchFact } from '../federation/facts.ts';
import { bundleStatus, type BundleStatus } from './bundle-status.ts';
import { evidenceOfPeer, type EvidenceOfPeer } from './evidence-status.ts';
import type { PeerStanding } from './peer-standing.ts';

export interface PeerStatus extends EvidenceOfPeer {
  readonly name: string;
  readonly trustDomain: TrustDomain;
  readonly bundleEndpointURL: string;
  readonly mode: 'Own' | 'Delegate';
  readonly conditions: readonly Condition[];
  readonly verdict?: {
    readonly verdict: Verdict['verdict'];
    readonly reason?: string;
    readonly releaseDigest?: string;
    readonly notices: readonly Notice[];
  };
  /** What SPIRE holds. */
  readonly bundle?: BundleStatus;
  readonly lastFetch?: { readonly at: string; readonly result: string };
  readonly lastSuccess?: string;
  readonly nextFetch?: string;
  readonly entriesFederated: number;
  /** What its broker said when it last asked our endpoint; absent: it never did, or did not prove who it is. */
  readonly holding?: HoldingStatus;
  /** The newest record about this peer; absent without an audit trail. */
  readonly audit?: AuditHead;
}

export interface HoldingStatus {
  /** When it asked last. */
  readonly at: string;
  /** Since when it has said the same, as far as this process knows. */
  readonly since: string;
  /** The version of our bundle that it has applied; absent: none, or one that is not known here. */
  readonly bundle?: {
    readonly digest: string;
    readonly sequence?: string;
    readonly roots: readonly string[];
    readonly jwtKeyIds: readonly string[];
    /** It is the version that is served now. */
    readonly isNewest: boolean;
  };
}

/** What is told of a peer beside where it stands. */
export interface PeerStatusParts {
  readonly facts: Facts;
  /** Newest first. */
  readonly evidence: readonly Evidence[];
  readonly nextFetchAt: Date | undefined;
  /** The newest record about this peer. */
  readonly auditHead: AuditHead | undefined;
}

export function peerStatus(
  { plan, conditions, held, fetch, entriesFederated }: PeerStanding,
  { facts, evidence, nextFetchAt, auditHead }: PeerStatusParts,
): PeerStatus {
  const { peer, verdict } = plan;
  const { name, trustDomain, bundleEndpointUrl, mode } = peer;
  return {
    ...{ name, trustDomain, bundleEndpointURL: bundleEndpointUrl, mode, conditions },
    ...(verdict !== undefined && { verdict: verdictStatus(verdict) }),
    ...(held !== undefined && { bundle: bundleStatus(held) }),
    ...fetchStatus(fetch),
    ...holdingStatus(facts, trustDomain),
    entriesFederated,
    ...evidenceOfPeer(plan, facts, held, evidence),
    ...(nextFetchAt !== undefined && { nextFetch: nextFetchAt.toISOString() }),
    ...(auditHead !== undefined && { audit: auditHead }),
  };
}

function verdictStatus(verdict: Verdict): NonNullable<PeerStatus['verdict']> {
  const { notices } = verdict;
  if (verdict.verdict !== 'held' && verdict.verdict !== 'refused') return { verdict: verdict.verdict, notices };
  const { reason, releaseDigest } = verdict;
  return { verdict: verdict.verdict, reason, ...(releaseDigest !== undefined && { releaseDigest }), notices };
}

function holdingStatus({ acknowledgements, ownBundle }: Facts, trustDomain: TrustDomain): Pick<PeerStatus, 'holding'> {
  const acknowledgement = acknowledgements.get(trustDomain);
  if (acknowledgement === undefined) return {};
  const { at, since = at, holds } = acknowledgement;
  const times = { at: at.toISOString(), since: since.toISOString() };
  if (holds === undefined) return { holding: times };
  const { digest, sequenceNumber, x509Authorities: roots, jwtKeyIds } = holds;
  const bundle = {
    digest,
    ...(sequenceNumber !== undefined && { sequence: sequenceNumber.toString() }),
    ...{ roots, jwtKeyIds },
    isNewest: ownBundle.state === 'Known' && bundleDigest(ownBundle.value) === digest,
  };
  return { holding: { ...times, bundle } };
}

function fetchStatus(fetch: FetchFact | undefined): Pick<PeerStatus, 'lastFetch' | 'lastSuccess'> {
  if (fetch === undefined) return {};
  const { failure, lastSuccessAt, lastAttemptAt } = fetch;
  return {
    lastFetch: { at: lastAttemptAt.toISOString(), result: failure?.reason ?? 'Fetched' },
    ...(lastSuccessAt !== undefined && { lastSuccess: lastSuccessAt.toISOString() }),
  };
}
