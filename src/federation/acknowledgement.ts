// Which of our bundles has a peer applied, as its own authenticated request says? (If-None-Match, RFC 9110 §13.1.2)
import type { TrustDomain } from '../bundle/trust-domain.ts';

/** One version of our own bundle, as our endpoint served it. */
export interface ServedBundle {
  /** Strong entity tag, with its quotes. */
  readonly etag: string;
  /** SHA-256 over its content, hexadecimal. */
  readonly digest: string;
  readonly sequenceNumber: bigint | undefined;
  /** Fingerprints of its X.509 authorities. */
  readonly x509Authorities: readonly string[];
  readonly jwtKeyIds: readonly string[];
  /** By this process. */
  readonly servedSince: Date;
}

/** The newest request of a peer's broker that was authenticated by an SVID of that peer. */
export interface Acknowledgement {
  readonly trustDomain: TrustDomain;
  readonly at: Date;
  /** What it said it has applied; undefined: nothing of ours yet, or a version that is not known here. */
  readonly holds: ServedBundle | undefined;
  /** Since when it has said the same, as far as this process knows; undefined: not noted yet. */
  readonly since?: Date;
}

/** Whether a peer holds a version of our bundle without this root. One that has told of no known version says nothing. */
export function isRootMissed(fingerprint: string, acknowledgements: readonly Acknowledgement[]): boolean {
  return acknowledgements.some(({ holds }) => holds !== undefined && !holds.x509Authorities.includes(fingerprint));
}

/** Of each peer the newest: several replicas tell what each has seen. */
export function newestAcknowledgements(all: readonly Acknowledgement[]): readonly Acknowledgement[] {
  const newest = new Map<TrustDomain, Acknowledgement>();
  for (const each of all) {
    const other = newest.get(each.trustDomain);
    if (other === undefined || other.at <= each.at) newest.set(each.trustDomain, each);
  }
  return [...newest.values()];
}
