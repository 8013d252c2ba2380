// What speaks against a bundle that is sound by itself? Rows that compare it with what is held and with what the
// declaration asks for. (SPIFFE Federation §4.2, Trust Domain and Bundle §4.1)
import { bundleDigest, diffBundles, type Bundle } from '../bundle/bundle.ts';
import { readCertificate } from '../bundle/certificate.ts';
import { pinOfCertificate } from '../bundle/spki-pin.ts';
import type { Peer } from './relationship.ts';

/** A bundle that passed the bundle rules, beside what it would replace. */
export interface Candidate {
  readonly bundle: Bundle;
  /** What SPIRE holds; after a quarantine, what it held before. Undefined at first contact. */
  readonly held: Bundle | undefined;
  /** Keys of the document that were left out. */
  readonly ignoredKeys: number;
  readonly policy: Peer['policy'];
  readonly rejectDigests: Peer['rejectDigests'];
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
    id: 'RejectedByOperator',
    section: 'our own: what an operator has looked at and refused stays refused',
    verdict: 'refused',
    demand: 'no operator has rejected its digest',
    releasable: false,
    objection: ({ bundle, rejectDigests }) =>
      rejectDigests.includes(bundleDigest(bundle))
        ? 'an operator has rejected this content by its digest; "fedbroker release" takes that back'
        : undefined,
  },
  {
    id: 'EmptyBundle',
    section: 'Trust Domain and Bundle §4.1.3',
    verdict: 'held',
    demand: 'it has a key, or policy.onEmptyBundle is Revoke',
    releasable: false,
    objection: ({ bundle, ignoredKeys }) =>
      isEmpty(bundle) && ignoredKeys === 0
        ? 'the peer publishes no key at all, which revokes its whole trust domain; set policy.onEmptyBundle: Revoke to obey'
        : undefined,
  },
  {
    id: 'NoUsableKeys',
    section: 'Trust Domain and Bundle §4.1.3',
    verdict: 'held',
    demand: 'at least one of its keys can be used',
    releasable: false,
    objection: ({ bundle, ignoredKeys }) =>
      isEmpty(bundle) && ignoredKeys > 0
        ? `none of the ${ignoredKeys} published keys can be used; see them with "fedbroker check"`
        : undefined,
  },
  {
    id: 'NoX509Authorities',
    section: 'X509-SVID §6.2',
    verdict: 'held',
    demand: 'it has an X.509 authority',
    releasable: false,
    objection: ({ bundle }) =>
      bundle.x509Authorities.length === 0
        ? 'the bundle has JWT keys but no X.509 authority; SPIRE agents cannot use such a bundle for mTLS'
        : undefined,
  },
  {
    id: 'AllRootsExpired',
    section: 'RFC 5280 §6.1.3',
    verdict: 'held',
    demand: 'one of its X.509 authorities has not expired',
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
    id: 'NoPinnedRoot',
    section: 'Federation §5.2.2.2: the first bundle is obtained in a way that is authentic',
    verdict: 'refused',
    demand: 'at first contact it has a root whose key policy.pin names, where that names any',
    releasable: true,
    objection: ({ bundle, held, policy: { pins } }) =>
      held === undefined && pins.length > 0 && !hasPinnedRoot(bundle, pins)
        ? 'no root has a key that policy.pin names: somebody else answers, or the peer has changed all its roots since the pin was made'
        : undefined,
  },
  {
    id: 'SequenceRollback',
    section: 'Federation §4.2',
    verdict: 'refused',
    demand: 'its sequence number is not lower than the held one',
    releasable: true,
    objection: ({ bundle, held }) =>
      held?.sequenceNumber !== undefined &&
      bundle.sequenceNumber !== undefined &&
      bundle.sequenceNumber < held.sequenceNumber
        ? `sequence number ${bundle.sequenceNumber.toString()} is lower than the held ${held.sequenceNumber.toString()}: an old document, or the peer's SPIRE was rebuilt`
        : undefined,
  },
  {
    id: 'SequenceReuse',
    section: 'Federation §4.2',
    verdict: 'held',
    demand: 'its sequence number is not the held one with other keys, or policy.onSequenceReuse is Accept',
    releasable: true,
    objection: ({ bundle, held, policy }) =>
      policy.onSequenceReuse === 'Hold' && held !== undefined && reusesSequence(bundle, held)
        ? `the held sequence number ${bundle.sequenceNumber?.toString() ?? ''} came with other keys: the peer, or somebody in its place, tells two stories`
        : undefined,
  },
  {
    id: 'DisjointRoots',
    section: 'Federation §4.1',
    verdict: 'held',
    demand: 'it shares a root with the held bundle, or policy.onDisjointRoots is Accept',
    releasable: true,
    objection: ({ bundle, held, policy }) =>
      policy.onDisjointRoots === 'Hold' && held !== undefined && sharesNoRoot(bundle, held)
        ? 'the bundle shares no root with the held one'
        : undefined,
  },
  {
    id: 'LargeChange',
    section: 'Federation §4.1: keys come and go one after the other',
    verdict: 'held',
    demand: 'fewer authorities come and go at once than policy.largeChange says, or policy.onLargeChange is Accept',
    releasable: true,
    objection: ({ bundle, held, policy }) =>
      policy.onLargeChange === 'Hold' && held !== undefined ? largeChange(bundle, held, policy) : undefined,
  },
];

export function isEmpty(bundle: Bundle): boolean {
  return bundle.x509Authorities.length === 0 && bundle.jwtAuthorities.length === 0;
}

export function sharesNoRoot(a: Bundle, b: Bundle): boolean {
  return !a.x509Authorities.some((der) => b.x509Authorities.some((other) => Buffer.compare(der, other) === 0));
}

/** The same number with other keys. */
export function reusesSequence(bundle: Bundle, held: Bundle): boolean {
  return (
    bundle.sequenceNumber !== undefined &&
    bundle.sequenceNumber === held.sequenceNumber &&
    bundleDigest(bundle) !== bundleDigest(held)
  );
}

function hasPinnedRoot({ x509Authorities }: Bundle, pins: readonly string[]): boolean {
  return x509Authorities.some((der) => pins.includes(pinOfCertificate(der)));
}

function largeChange(bundle: Bundle, held: Bundle, { largeChange: limit }: Peer['policy']): string | undefined {
  const { addedRoots, removedRoots, addedJwtKeyIds, removedJwtKeyIds } = diffBundles(held, bundle);
  const added = addedRoots.length + addedJwtKeyIds.length;
  const removed = removedRoots.length + removedJwtKeyIds.length;
  if (added < limit.added && removed < limit.removed) return undefined;
  return `${added} authorities come and ${removed} go at once; policy.largeChange calls ${limit.added} that come or ${limit.removed} that go large`;
}
