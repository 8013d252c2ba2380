// What does an X.509 certificate say? (RFC 5280; the only file that reads ASN.1)
import 'reflect-metadata';
import { createHash, X509Certificate, type KeyObject } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { BundleError } from './bundle-error.ts';

export interface Certificate {
  readonly der: Uint8Array;
  /** SHA-256 of the DER in lower-case hex. */
  readonly fingerprint: string;
  /** On one line, for people. */
  readonly subject: string;
  readonly issuer: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** SHA-256 of the SubjectPublicKeyInfo in lower-case hex: the same key has the same. */
  readonly publicKeyFingerprint: string;
  readonly publicKey: KeyObject;
}

/** What costs about ten times as much to read. */
export interface CertificateExtensions {
  /** basicConstraints cA. Node's own answer mixes in the key usage. */
  readonly isCa: boolean;
  /** Undefined when there is no keyUsage extension: then every use is allowed (RFC 5280 §4.2.1.3). */
  readonly keyUsage:
    { readonly keyCertSign: boolean; readonly cRLSign: boolean; readonly digitalSignature: boolean } | undefined;
  readonly uriSans: readonly string[];
  readonly dnsSans: readonly string[];
  /** Lower-case hex. */
  readonly subjectKeyId: string | undefined;
  readonly authorityKeyId: string | undefined;
  /** Of the signature, for example `SHA-256`; undefined where the algorithm fixes it (Ed25519). */
  readonly signatureHash: string | undefined;
}

/**
 * Reads exactly one certificate. Node would also take a PEM text, or two certificates one after the other, of which it
 * keeps the first: those are refused.
 *
 * @throws BundleError `CertificateMalformed`
 */
export function readCertificate(der: Uint8Array): Certificate {
  const parsed = parse(der);
  const spki = parsed.publicKey.export({ format: 'der', type: 'spki' });
  return {
    der,
    fingerprint: createHash('sha256').update(der).digest('hex'),
    subject: oneLine(parsed.subject),
    issuer: oneLine(parsed.issuer),
    notBefore: new Date(parsed.validFrom),
    notAfter: new Date(parsed.validTo),
    publicKeyFingerprint: createHash('sha256').update(spki).digest('hex'),
    publicKey: parsed.publicKey,
  };
}

export interface RootSummary {
  readonly fingerprint: string;
  readonly subject: string;
  readonly notAfter: Date;
}

/** What people are shown of a root. Kept for as long as its bytes are: a status of a thousand peers shows them all. */
export function summarizeRoot(der: Uint8Array): RootSummary {
  const known = summaries.get(der);
  if (known !== undefined) return known;
  const { fingerprint, subject, notAfter } = readCertificate(der);
  const summary = { fingerprint, subject, notAfter };
  summaries.set(der, summary);
  return summary;
}

const summaries = new WeakMap<Uint8Array, RootSummary>();

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

/** @throws BundleError `CertificateMalformed` */
export function readExtensions(der: Uint8Array): CertificateExtensions {
  // The reader below also takes PEM, and overlooks what follows the certificate.
  parse(der);
  try {
    const parsed = new x509.X509Certificate(Uint8Array.from(der));
    const usages = parsed.getExtension(x509.KeyUsagesExtension)?.usages;
    const names = parsed.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? [];
    const allows = (flag: x509.KeyUsageFlags) => ((usages ?? 0) & flag) !== 0;
    return {
      isCa: parsed.getExtension(x509.BasicConstraintsExtension)?.ca ?? false,
      keyUsage:
        usages === undefined
          ? undefined
          : {
              keyCertSign: allows(x509.KeyUsageFlags.keyCertSign),
              cRLSign: allows(x509.KeyUsageFlags.cRLSign),
              digitalSignature: allows(x509.KeyUsageFlags.digitalSignature),
            },
      uriSans: names.filter(({ type }) => type === 'url').map(({ value }) => value),
      dnsSans: names.filter(({ type }) => type === 'dns').map(({ value }) => value),
      subjectKeyId: parsed.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId.toLowerCase(),
      authorityKeyId: parsed.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId?.toLowerCase(),
      signatureHash: hashOf(parsed.signatureAlgorithm),
    };
  } catch (error) {
    throw new BundleError('CertificateMalformed', 'the extensions of the certificate cannot be read', { cause: error });
  }
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

function hashOf(algorithm: object): string | undefined {
  const { hash } = algorithm as { readonly hash?: { readonly name?: string } | string };
  return typeof hash === 'string' ? hash : hash?.name;
}

function oneLine(name: string): string {
  return name.split('\n').join(', ');
}
