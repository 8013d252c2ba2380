// May this fetched bundle replace the held one? (SPIFFE Federation §4.2, Trust Domain and Bundle §4.1)
import { bundleDigest, type Bundle } from '../bundle/bundle.ts';
import { BundleError } from '../bundle/bundle-error.ts';
import type { ParsedBundleDocument } from '../bundle/bundle-document.ts';
import type { Finding } from '../bundle/bundle-rules.ts';
import { checkBundle } from '../bundle/check-bundle.ts';
import type { KnownRoots } from '../bundle/known-roots.ts';
import { ACCEPTANCE_RULES, isEmpty, reusesSequence, sharesNoRoot, type Candidate } from './acceptance-rules.ts';
import { lastGoodBundleOf } from './bootstrap.ts';
import type { Peer } from './relationship.ts';

/** What is worth saying about a bundle beside the verdict. */
export interface Notice {
  readonly id: string;
  readonly message: string;
}

export type Verdict =
  | { readonly verdict: 'accepted'; readonly bundle: Bundle; readonly notices: readonly Notice[] }
  | { readonly verdict: 'unchanged'; readonly notices: readonly Notice[] }
  /** The peer says that no key of its own is valid any more, and policy lets us obey. */
  | { readonly verdict: 'revoked'; readonly notices: readonly Notice[] }
  /** Well formed and authentic, but an operator should look first: the held bundle stays. */
  | {
      readonly verdict: 'held' | 'refused';
      readonly reason: string;
      readonly message: string;
      /** What an operator names to accept it all the same; absent where that cannot be. */
      readonly releaseDigest: string | undefined;
      readonly notices: readonly Notice[];
    };

export interface AcceptanceInput {
  readonly peer: Pick<Peer, 'trustDomain' | 'policy' | 'acceptDigest' | 'rejectDigests' | 'lastGoodBundle'>;
  readonly content: ParsedBundleDocument | BundleError;
  /** What SPIRE holds for the peer. */
  readonly held: Bundle | undefined;
  readonly knownRoots: KnownRoots;
  readonly maxRoots: number;
  readonly now: Date;
}

/** Judges an authenticated document. Decides nothing about when or how to write. */
export function judgeFetchedBundle(input: AcceptanceInput): Verdict {
  const { content, held, peer } = input;
  if (content instanceof BundleError) return refusal(content.code, content.message, []);
  const asFetched = withHeldSequence(content.bundle, held);
  // Equal content was judged when it was stored; only a difference is worth the price of the rules.
  if (held !== undefined && storedAlike(asFetched, held)) {
    return { verdict: 'unchanged', notices: content.findings.map(noticeOf) };
  }

  const check = checkBundle(content, { now: input.now, knownRoots: input.knownRoots, maxRoots: input.maxRoots });
  const notices = check.findings.map(noticeOf);
  if (check.refusedBy !== undefined) return refusal(check.refusedBy.ruleId, check.refusedBy.message, notices);

  const bundle = withHeldSequence(check.bundle, held);
  const ignoredKeys = check.findings.filter((finding) => finding.severity === 'ignore-key').length;
  const digest = bundleDigest(check.bundle);
  const rejected = peer.rejectDigests.includes(digest);
  if (isEmpty(bundle) && ignoredKeys === 0 && peer.policy.onEmptyBundle === 'Revoke' && !rejected) {
    return { verdict: 'revoked', notices };
  }
  // A peer that comes back from quarantine must not come back with an older bundle than it left with.
  const before = held ?? lastGoodBundleOf(peer);
  const { policy, rejectDigests } = peer;
  const candidate: Candidate = {
    ...{ bundle: check.bundle, held: before, ignoredKeys },
    ...{ policy, rejectDigests, now: input.now },
  };
  const released = peer.acceptDigest === digest;
  for (const rule of ACCEPTANCE_RULES) {
    if (released && rule.releasable) continue;
    const objection = rule.objection(candidate);
    if (objection === undefined) continue;
    const message = rule.releasable ? `${objection}; to accept it set policy.acceptDigest: ${digest}` : objection;
    const releaseDigest = rule.releasable ? digest : undefined;
    return { verdict: rule.verdict, reason: rule.id, message, releaseDigest, notices };
  }

  if (held !== undefined && storedAlike(bundle, held)) return { verdict: 'unchanged', notices };
  return { verdict: 'accepted', bundle, notices: [...notices, ...changeNotices(check.bundle, before)] };
}

/** Whether writing `bundle` over `held` would change nothing. SPIRE keeps 0 for "no sequence number" and "no hint". */
export function storedAlike(bundle: Bundle, held: Bundle): boolean {
  return (
    (bundle.sequenceNumber ?? 0n) === (held.sequenceNumber ?? 0n) &&
    (bundle.refreshHintSeconds ?? 0) === (held.refreshHintSeconds ?? 0) &&
    bundleDigest(bundle) === bundleDigest(held)
  );
}

/** A document without a number must not erase the number that guards against older documents. */
function withHeldSequence(bundle: Bundle, held: Bundle | undefined): Bundle {
  return bundle.sequenceNumber === undefined && held?.sequenceNumber !== undefined
    ? { ...bundle, sequenceNumber: held.sequenceNumber }
    : bundle;
}

function changeNotices(bundle: Bundle, held: Bundle | undefined): Notice[] {
  if (held === undefined) return [];
  const notices: Notice[] = [];
  if (bundle.sequenceNumber === undefined && held.sequenceNumber !== undefined) {
    notices.push({
      id: 'SequenceMissing',
      message: `the document has no sequence number any more; the newest fetch counts, and ${held.sequenceNumber.toString()} stays the guard`,
    });
  }
  if (reusesSequence(bundle, held)) {
    notices.push({
      id: 'SequenceReuse',
      message: `sequence number ${bundle.sequenceNumber?.toString() ?? ''} came with other content than before; the newest fetch counts`,
    });
  }
  if (sharesNoRoot(bundle, held)) {
    notices.push({ id: 'DisjointRoots', message: 'the bundle shares no root with the one held before' });
  }
  return notices;
}

function refusal(reason: string, message: string, notices: readonly Notice[]): Verdict {
  return { verdict: 'refused', reason, message, releaseDigest: undefined, notices };
}

function noticeOf(finding: Finding): Notice {
  return { id: finding.ruleId, message: finding.message };
}
