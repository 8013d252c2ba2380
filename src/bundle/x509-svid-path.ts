// Does this X.509-SVID verify against that trust bundle? (X509-SVID §5; RFC 5280 §6.1, as far as SVIDs need it)
import type { Bundle } from './bundle.ts';
import { BundleError } from './bundle-error.ts';
import { isIssuedBy, readCertificate, type Certificate } from './certificate.ts';
import { quoted } from './quoted.ts';
import { trustDomainOf, type SpiffeId } from './spiffe-id.ts';
import { checkX509SvidLeaf } from './x509-svid.ts';

/** With the leaf. SPIRE's chains have two at most below one upstream authority; each one more is a signature to verify. */
export const MAX_PATH_CERTIFICATES = 4;

export interface VerifiedX509Svid {
  readonly spiffeId: SpiffeId;
  /** When the first certificate of the path ends, its authority included. */
  readonly notAfter: Date;
}

/**
 * Finds the way from a leaf to an authority of the bundle, which speaks for its own trust domain alone.
 *
 * @param chain Leaf first, each signed by the next; the authority itself need not be among them.
 * @throws BundleError `SvidInvalid`, `SvidExpired`, `SvidUntrusted`, `CertificateMalformed`
 */
export function verifyX509Svid(chain: readonly Uint8Array[], bundle: Bundle, now: Date): VerifiedX509Svid {
  const [leaf] = chain;
  if (leaf === undefined) throw new BundleError('SvidInvalid', 'there is no certificate');
  const spiffeId = checkX509SvidLeaf(leaf);
  const { trustDomain } = bundle;
  if (trustDomainOf(spiffeId) !== trustDomain) {
    throw new BundleError('SvidUntrusted', `${spiffeId} does not belong to ${trustDomain}`);
  }
  const authorities = bundle.x509Authorities.map(readCertificate);
  let notAfterMs = Infinity;
  for (const [below, der] of chain.slice(0, MAX_PATH_CERTIFICATES).entries()) {
    const certificate = readCertificate(der);
    checkCriticalExtensions(certificate);
    notAfterMs = Math.min(notAfterMs, endMsOf(certificate, now));
    const signers = authorities.filter((authority) => hasIssued(authority, certificate, below));
    const signer = signers.find((authority) => isInTime(authority, now)) ?? signers[0];
    if (signer !== undefined) {
      checkCriticalExtensions(signer);
      return { spiffeId, notAfter: new Date(Math.min(notAfterMs, endMsOf(signer, now))) };
    }
    const next = chain[below + 1];
    if (next === undefined || !hasIssued(readCertificate(next), certificate, below)) break;
  }
  throw new BundleError('SvidUntrusted', `${spiffeId} is signed by no authority that is held of ${trustDomain}`);
}

/** `below`: how many CA certificates stand between the issuer and the leaf. */
function hasIssued(issuer: Certificate, { der, issuer: name }: Certificate, below: number): boolean {
  const { isCa, keyUsage, pathLength, subject } = issuer;
  return (
    subject === name &&
    isCa &&
    keyUsage?.keyCertSign !== false &&
    (pathLength === undefined || below <= pathLength) &&
    isIssuedBy(der, issuer.der)
  );
}

/** What is critical and not understood refuses the certificate (RFC 5280 §4.2), name constraints of a CA for example. */
function checkCriticalExtensions({ unreadCritical, subject }: Certificate): void {
  const [id] = unreadCritical;
  if (id === undefined) return;
  throw new BundleError(
    'SvidInvalid',
    `the path has the critical extension ${id} (${quoted(subject)}), which is not understood here`,
  );
}

function isInTime({ notBefore, notAfter }: Certificate, now: Date): boolean {
  return notBefore <= now && now <= notAfter;
}

/** @throws BundleError `SvidExpired` also for one that is not valid yet */
function endMsOf(certificate: Certificate, now: Date): number {
  const { notBefore, notAfter } = certificate;
  if (isInTime(certificate, now)) return notAfter.getTime();
  throw new BundleError(
    'SvidExpired',
    `the certificate is valid from ${notBefore.toISOString()} until ${notAfter.toISOString()}; are the clocks right?`,
  );
}
