// What was held back or refused, where did it come from, and when? Kept for whoever must decide, and bounded.
import { bundleDigest, type Bundle } from '../bundle/bundle.ts';
import { BundleError } from '../bundle/bundle-error.ts';
import type { Verdict } from './acceptance.ts';
import type { FetchedDocument } from './facts.ts';

/** Of one content that was not accepted, for one reason. */
export interface Evidence {
  readonly verdict: 'held' | 'refused';
  readonly reason: string;
  readonly message: string;
  /** Undefined: what came was no bundle at all. With the next. */
  readonly digest: string | undefined;
  readonly bundle: Bundle | undefined;
  /** An operator may accept it by its digest. */
  readonly releasable: boolean;
  /** Who answered: the URL after redirects, and the SHA-256 fingerprints of its certificates, leaf first. */
  readonly url: string | undefined;
  readonly endpointCertificates: readonly string[];
  readonly firstSeenAt: Date;
  readonly lastSeenAt: Date;
}

const MAX_EVIDENCE = 8;

/** The evidence with what a pass found; the same list when it found nothing new. */
export function withEvidence(
  before: readonly Evidence[],
  verdict: Verdict | undefined,
  document: FetchedDocument | undefined,
): readonly Evidence[] {
  if (document === undefined || (verdict?.verdict !== 'held' && verdict?.verdict !== 'refused')) return before;
  const bundle = document.content instanceof BundleError ? undefined : document.content.bundle;
  const digest = bundle && bundleDigest(bundle);
  const isSame = (each: Evidence) => each.digest === digest && each.reason === verdict.reason;
  const known = before.find(isSame);
  if (known?.lastSeenAt.getTime() === document.at.getTime()) return before;
  const seen: Evidence = {
    verdict: verdict.verdict,
    reason: verdict.reason,
    message: verdict.message,
    digest,
    bundle,
    releasable: verdict.releaseDigest !== undefined,
    url: document.endpoint?.url,
    endpointCertificates: document.endpoint?.certificates ?? [],
    firstSeenAt: known?.firstSeenAt ?? document.at,
    lastSeenAt: document.at,
  };
  return bounded([seen, ...before.filter((each) => !isSame(each))]);
}

/** Newest first. The very first stays: a peer that shows something else each time must not wash away how it began. */
function bounded(evidence: readonly Evidence[]): readonly Evidence[] {
  const first = evidence.at(-1);
  if (first === undefined || evidence.length <= MAX_EVIDENCE) return evidence;
  return [...evidence.slice(0, MAX_EVIDENCE - 1), first];
}

/** What became of it: still published, let in since, rejected, or published no more. */
export type EvidenceState = 'Current' | 'Accepted' | 'Rejected' | 'Past';

export interface EvidenceContext {
  /** Of what SPIRE holds. */
  readonly heldDigest: string | undefined;
  readonly rejectDigests: readonly string[];
  /** The newest document, while it is held or refused. */
  readonly current: FetchedDocument | undefined;
}

export function evidenceState(
  { digest, lastSeenAt }: Evidence,
  { heldDigest, rejectDigests, current }: EvidenceContext,
): EvidenceState {
  if (digest !== undefined && rejectDigests.includes(digest)) return 'Rejected';
  if (digest !== undefined && digest === heldDigest) return 'Accepted';
  return current?.at.getTime() === lastSeenAt.getTime() ? 'Current' : 'Past';
}
