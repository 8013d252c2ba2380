// What does an X.509 certificate say? (RFC 5280)
import { createHash, X509Certificate } from 'node:crypto';
import { BundleError } from './bundle-error.ts';
import { readExtensionsOf, type CertificateExtensions } from './certificate-extensions.ts';
import { contentOf, DER_TAG, DerError, readDer, readDerValues } from './der.ts';
import { describePublicKey, type PublicKey } from './public-key.ts';
import { quoted } from './quoted.ts';
import { remembered } from './remembered.ts';
import { signatureHash } from './signature-hash.ts';

export interface Certificate extends CertificateExtensions {
  readonly der: Uint8Array;
  /** SHA-256 of the DER in lower-case hex. */
  readonly fingerprint: string;
  /** On one line, for people. */
  readonly subject: string;
  readonly issuer: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly publicKey: PublicKey;
  /** Of the signature, for example `SHA-256`; undefined where the algorithm fixes it (Ed25519). */
  readonly signatureHash: string | undefined;
}

export type RootSummary = Pick<Certificate, 'fingerprint' | 'subject' | 'notAfter'>;

/**
 * Reads exactly one certificate. Node would also take a PEM text, or two certificates one after the other, of which it
 * keeps the first: those are refused.
 *
 * @throws BundleError `CertificateMalformed`
 */
export const readCertificate = remembered((der: Uint8Array): Certificate =>
  Object.assign(readByNode(der), readByHand(der)),
);

/** Undefined where it cannot be read: SPIRE may hold what somebody else wrote there. */
export function readableCertificate(der: Uint8Array): Certificate | undefined {
  try {
    return readCertificate(der);
  } catch {
    return undefined;
  }
}

/**
 * Its extensions alone, for whoever has the rest verified elsewhere: without OpenSSL, which decodes the key of each
 * certificate it reads, a tenth of the time.
 *
 * @throws BundleError `CertificateMalformed`
 */
export function readExtensions(der: Uint8Array): CertificateExtensions {
  return readByHand(der);
}

/** What people are shown of a root. */
export function summarizeRoot(der: Uint8Array): RootSummary {
  return readCertificate(der);
}

/** Whether `issuer`'s key signed the certificate and its subject is the certificate's issuer. */
export function isIssuedBy(der: Uint8Array, issuer: Uint8Array): boolean {
  const [certificate, candidate] = [parse(der), parse(issuer)];
  return certificate.checkIssued(candidate) && certificate.verify(candidate.publicKey);
}

/** PEM with a newline at its end, so that texts can be joined. */
export function toPem(der: Uint8Array): string {
  const base64 =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${base64.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function parse(der: Uint8Array): X509Certificate {
  try {
    const parsed = new X509Certificate(der);
    // OpenSSL reads a key only when asked, and not every kind.
    if (parsed.raw.equals(der) && parsed.publicKey.type === 'public') return parsed;
  } catch (error) {
    throw new BundleError('CertificateMalformed', 'these bytes are not an X.509 certificate in DER', { cause: error });
  }
  throw new BundleError('CertificateMalformed', 'these bytes are not one certificate in DER and nothing else');
}

function readByNode(der: Uint8Array): Omit<Certificate, keyof CertificateExtensions | 'signatureHash'> {
  const parsed = parse(der);
  return {
    der,
    fingerprint: createHash('sha256').update(der).digest('hex'),
    subject: oneLine(parsed.subject),
    issuer: oneLine(parsed.issuer),
    notBefore: dateOf(parsed.validFrom),
    notAfter: dateOf(parsed.validTo),
    publicKey: describePublicKey(parsed.publicKey),
  };
}

/** What Node does not tell. Certificate := SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue }. */
function readByHand(der: Uint8Array): CertificateExtensions & Pick<Certificate, 'signatureHash'> {
  try {
    const [body, algorithm] = readDerValues(readDer(der, DER_TAG.sequence));
    return {
      ...readExtensionsOf(readDerValues(contentOf(body, DER_TAG.sequence))),
      signatureHash: signatureHash(contentOf(algorithm, DER_TAG.sequence)),
    };
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new BundleError('CertificateMalformed', `the certificate cannot be read: ${error.message}`, { cause: error });
  }
}

/** Node's text of a time; OpenSSL reads certificates whose times are none. */
function dateOf(text: string): Date {
  const date = new Date(text);
  if (!Number.isNaN(date.getTime())) return date;
  throw new BundleError(
    'CertificateMalformed',
    `the certificate is valid from or until ${quoted(text)}, which is no time`,
  );
}

/** Node tells an empty name as undefined, whatever its types say. */
function oneLine(name: string | undefined): string {
  return (name ?? '').split('\n').join(', ');
}
