// What is a trust bundle, and when are two the same? (SPIFFE Trust Domain and Bundle §3–4)
import { createHash } from 'node:crypto';
import { remembered } from './remembered.ts';
import type { TrustDomain } from './trust-domain.ts';

/** A root certificate as DER. Two X.509 authorities are the same when their bytes are. */
export type X509Authority = Uint8Array;

/** A key that signs JWT-SVIDs. */
export interface JwtAuthority {
  /** `kid`, unique within the bundle. */
  readonly keyId: string;
  /** SubjectPublicKeyInfo as DER. */
  readonly publicKey: Uint8Array;
}

/** The keys that vouch for one trust domain. A value: never changed after it was made. */
export interface Bundle {
  readonly trustDomain: TrustDomain;
  /** In the order of their source. */
  readonly x509Authorities: readonly X509Authority[];
  /** In the order of their source; no two with the same key id. */
  readonly jwtAuthorities: readonly JwtAuthority[];
  /** `spiffe_sequence`, 64 bits. Undefined when the publisher gives none: absent is not zero. */
  readonly sequenceNumber: bigint | undefined;
  /** `spiffe_refresh_hint`, whole seconds. Undefined when the publisher gives none. */
  readonly refreshHintSeconds: number | undefined;
}

/** What the second of two bundles has more and less than the first; fingerprints and key ids, sorted. */
export interface BundleDiff {
  readonly addedRoots: readonly string[];
  readonly removedRoots: readonly string[];
  readonly addedJwtKeyIds: readonly string[];
  readonly removedJwtKeyIds: readonly string[];
}

/** SHA-256 of the DER, in lower-case hex: how logs, status and metrics name a root. */
export const fingerprint = remembered((authority: X509Authority): string =>
  createHash('sha256').update(authority).digest('hex'),
);

/**
 * The same keys in the one order that their content determines, each once: X.509 authorities by fingerprint, JWT
 * authorities by key id. Two bundles with the same keys have the same bytes in this form.
 */
export function canonicalBundle(bundle: Bundle): Bundle {
  const byFingerprint = new Map(bundle.x509Authorities.map((der) => [fingerprint(der), der]));
  return {
    ...bundle,
    x509Authorities: [...byFingerprint].sort(([a], [b]) => compareText(a, b)).map(([, der]) => der),
    jwtAuthorities: [...bundle.jwtAuthorities].sort((a, b) => compareText(a.keyId, b.keyId)),
  };
}

/**
 * SHA-256 in hex over the trust domain and its keys, whatever their order. Neither sequence number nor refresh hint
 * takes part, so that "same number, other content" can be seen and an operator can name content to accept.
 */
export const bundleDigest = remembered((bundle: Bundle): string => {
  const canonical = canonicalBundle(bundle);
  const hash = createHash('sha256');
  const field = (name: string, value: string | Uint8Array) => {
    hash.update(`${name} ${Buffer.byteLength(value)}\n`).update(value);
  };
  field('trust-domain', canonical.trustDomain);
  for (const der of canonical.x509Authorities) field('x509', der);
  for (const { keyId, publicKey } of canonical.jwtAuthorities) {
    field('jwt-kid', keyId);
    field('jwt-key', publicKey);
  }
  return hash.digest('hex');
});

/** Same trust domain, keys, sequence number and refresh hint; the order of keys does not count. */
export function bundlesEqual(a: Bundle, b: Bundle): boolean {
  return (
    a.sequenceNumber === b.sequenceNumber &&
    a.refreshHintSeconds === b.refreshHintSeconds &&
    bundleDigest(a) === bundleDigest(b)
  );
}

/** The same bundle, with the very authorities of `other` where the bytes are equal: what was read of them is kept once. */
export function sharingAuthorities(bundle: Bundle, other: Bundle | undefined): Bundle {
  if (other === undefined) return bundle;
  const known = new Map(other.x509Authorities.map((der) => [fingerprint(der), der]));
  return { ...bundle, x509Authorities: bundle.x509Authorities.map((der) => known.get(fingerprint(der)) ?? der) };
}

/** Says what changed from `before` to `after`. */
export function diffBundles(before: Bundle, after: Bundle): BundleDiff {
  const roots = (bundle: Bundle) => new Set(bundle.x509Authorities.map(fingerprint));
  // A JWT authority that keeps its id but changes its key is both removed and added.
  const jwtKeys = (bundle: Bundle) =>
    new Map(bundle.jwtAuthorities.map((key) => [`${key.keyId}\n${fingerprint(key.publicKey)}`, key.keyId]));
  const [rootsBefore, rootsAfter] = [roots(before), roots(after)];
  const [jwtBefore, jwtAfter] = [jwtKeys(before), jwtKeys(after)];
  const missingFrom = (other: ReadonlyMap<string, string>, keys: ReadonlyMap<string, string>) =>
    [...keys]
      .filter(([identity]) => !other.has(identity))
      .map(([, keyId]) => keyId)
      .sort(compareText);
  return {
    addedRoots: [...rootsAfter].filter((root) => !rootsBefore.has(root)).sort(compareText),
    removedRoots: [...rootsBefore].filter((root) => !rootsAfter.has(root)).sort(compareText),
    addedJwtKeyIds: missingFrom(jwtBefore, jwtAfter),
    removedJwtKeyIds: missingFrom(jwtAfter, jwtBefore),
  };
}

/** By code unit, so that the order is the same on every machine. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
