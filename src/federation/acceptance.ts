// May this fetched bundle replace the held one? (SPIFFE Federation §4.2, Trust Domain and Bundle §4.1)
import { bundleDigest, type Bundle } from '../bundle/bundle.ts';
import { BundleError } from '../bundle/bundle-error.ts';
import type { ParsedBundleDocument } from '../bundle/bundle-document.ts';
import type { Finding } from '../bundle/bundle-rules.ts';
import { readCertificate } from '../bundle/certificate.ts';
import { checkBundle } from '../bundle/check-bundle.ts';
import type { KnownRoots } from '../bundle/known-roots.ts';
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
  readonly peer: Pick<Peer, 'trustDomain' | 'policy' | 'acceptDigest'>;
  readonly content: ParsedBundleDocument | BundleError;
  /** What SPIRE holds for the peer. */
  readonly held: Bundle | undefined;
  readonly knownRoots: KnownRoots;
  readonly maxRoots: number;
  readonly now: Date;
}

/** A candidate that passed the bundle rules, beside what is held. */
interface Candidate {
  readonly bundle: Bundle;
  readonly held: Bundle | undefined;
  /** Keys of the document that were left out. */
  readonly ignoredKeys: number;
  readonly policy: Peer['policy'];
  readonly now: Date;
}

interface AcceptanceRule {
  readonly id: string;
  readonly section: string;
  readonly verdict: 'held' | 'refused';
  /** Completes "a bundle passes when …". */
  readonly demand: string;
  /** An operator may accept the content by naming its digest. */
  readonly releasable: boolean;
  /** Says why the candidate may not pass, or undefined. */
  readonly objection: (candidate: Candidate) => string | undefined;
}

/** In order; the first objection decides. The id is the condition's reason. */
export const ACCEPTANCE_RULES: readonly AcceptanceRule[] = [
  {
    id: 'EmptyBundle',
    section: 'Trust Domain and Bundle §4.1.3',
    demand: 'it has a key, or policy.onEmptyBundle is Revoke',
    verdict: 'held',
    releasable: false,
    objection: ({ bundle, ignoredKeys }) =>
      isEmpty(bundle) && ignoredKeys === 0
        ? 'the peer publishes no key at all, which revokes its whole trust domain; set policy.onEmptyBundle: Revoke to obey'
        : undefined,
  },
  {
    id: 'NoUsableKeys',
    section: 'Trust Domain and Bundle §4.1.3',
    demand: 'at least one of its keys can be used',
    verdict: 'held',
    releasable: false,
    objection: ({ bundle, ignoredKeys }) =>
      isEmpty(bundle) && ignoredKeys > 0
        ? `none of the ${ignoredKeys} published keys can be used; see them with "fedbroker check"`
        : undefined,
  },
  {
    id: 'NoX509Authorities',
    section: 'X509-SVID §6.2',
    demand: 'it has an X.509 authority',
    verdict: 'held',
    releasable: false,
    objection: ({ bundle }) =>
      bundle.x509Authorities.length === 0
        ? 'the bundle has JWT keys but no X.509 authority; SPIRE agents cannot use such a bundle for mTLS'
        : undefined,
  },
  {
    id: 'AllRootsExpired',
    section: 'RFC 5280 §6.1.3',
    demand: 'one of its X.509 authorities has not expired',
    verdict: 'held',
    // A clock of ours that is wrong must not keep the peer out for good.
    releasable: true,
    objection: ({ bundle, now }) => {
      const ends = bundle.x509Authorities.map((der) => readCertificate(der).notAfter);
      const last = ends.reduce((latest, end) => (end > latest ? end : latest));
      return last < now
        ? `every X.509 authority has expired, the last ${last.toISOString()}: no SVID of the peer would be accepted; are the clocks right?`
        : undefined;
    },
  },
  {
    id: 'SequenceRollback',
    section: 'Federation §4.2',
    demand: 'its sequence number is not lower than the held one',
    verdict: 'refused',
    releasable: true,
    objection: ({ bundle, held }) =>
      held?.sequenceNumber !== undefined &&
      bundle.sequenceNumber !== undefined &&
      bundle.sequenceNumber < held.sequenceNumber
        ? `sequence number ${bundle.sequenceNumber.toString()} is lower than the held ${held.sequenceNumber.toString()}: an old document, or the peer's SPIRE was rebuilt`
        : undefined,
  },
  {
    id: 'DisjointRoots',
    section: 'Federation §4.1',
    demand: 'it shares a root with the held bundle, or policy.onDisjointRoots is Accept',
    verdict: 'held',
    releasable: true,
    objection: ({ bundle, held, policy }) =>
      policy.onDisjointRoots === 'Hold' && held !== undefined && sharesNoRoot(bundle, held)
        ? 'the bundle shares no root with the held one'
        : undefined,
  },
];

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
  if (isEmpty(bundle) && ignoredKeys === 0 && peer.policy.onEmptyBundle === 'Revoke') {
    return { verdict: 'revoked', notices };
  }
  const candidate: Candidate = { bundle: check.bundle, held, ignoredKeys, policy: peer.policy, now: input.now };
  const digest = bundleDigest(check.bundle);
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
  return { verdict: 'accepted', bundle, notices: [...notices, ...changeNotices(check.bundle, held)] };
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
  if (bundle.sequenceNumber !== undefined && bundle.sequenceNumber === held.sequenceNumber && differs(bundle, held)) {
    notices.push({
      id: 'SequenceReuse',
      message: `sequence number ${bundle.sequenceNumber.toString()} came with other content than before; the newest fetch counts`,
    });
  }
  if (sharesNoRoot(bundle, held)) {
    notices.push({ id: 'DisjointRoots', message: 'the bundle shares no root with the one held before' });
  }
  return notices;
}

function differs(a: Bundle, b: Bundle): boolean {
  return bundleDigest(a) !== bundleDigest(b);
}

function isEmpty(bundle: Bundle): boolean {
  return bundle.x509Authorities.length === 0 && bundle.jwtAuthorities.length === 0;
}

function sharesNoRoot(a: Bundle, b: Bundle): boolean {
  return !a.x509Authorities.some((der) => b.x509Authorities.some((other) => Buffer.compare(der, other) === 0));
}

function refusal(reason: string, message: string, notices: readonly Notice[]): Verdict {
  return { verdict: 'refused', reason, message, releaseDigest: undefined, notices };
}

function noticeOf(finding: Finding): Notice {
  return { id: finding.ruleId, message: finding.message };
}
