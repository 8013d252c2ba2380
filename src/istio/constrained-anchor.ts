// Which certificate stands for a peer's root in a list of CAs that is one for all trust domains? (RFC 5280 §6.1.1)
import { createPrivateKey, hkdfSync, sign, type KeyObject } from 'node:crypto';
import { readCertificate } from '../bundle/certificate.ts';
import { DER_TAG } from '../bundle/der.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { AnchorError } from './anchor-error.ts';
import { certificateParts, type CertificateParts, type Extension } from './certificate-parts.ts';
import { whyNotConstrainable } from './constrainable-name.ts';
import { encodeNameConstraints, narrowToTrustDomain } from './name-constraints.ts';
import { whyNotPortable } from './portable-parts.ts';
import { encodeDer, encodeObjectIdentifier } from './write-der.ts';

const EXTENSION = {
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
} as const;

/** The key id finds the anchor for a leaf; the extended key usage narrows what the key may vouch for. */
const COPIED: readonly string[] = [EXTENSION.subjectKeyId, EXTENSION.extendedKeyUsage];
const UNDERSTOOD: readonly string[] = Object.values(EXTENSION);

const ATTRIBUTE = { commonName: '2.5.4.3', organization: '2.5.4.10' } as const;
const ED25519 = encodeDer(DER_TAG.sequence, encodeObjectIdentifier('1.3.101.112'));
const VERSION_3 = Uint8Array.of(0xa0, 3, DER_TAG.integer, 1, 2);
const TRUE = encodeDer(DER_TAG.boolean, Uint8Array.of(0xff));
const CA_WITHOUT_PATH_LENGTH = encodeDer(DER_TAG.sequence, TRUE);
/** Bits 5 and 6 of the named bits, the last of eight unused. */
const CERT_AND_CRL_SIGN = encodeDer(DER_TAG.bitString, Uint8Array.of(1, 0b0000_0110));

const NO_UNUSED_BITS = Uint8Array.of(0);
const UTF8_STRING = 0x0c;
const SET = 0x31;
const EXTENSIONS_TAG = 0xa3;

/**
 * An anchor for the root's key that vouches for URIs of this trust domain, and for no DNS or email name. Subject, key,
 * subject key id and validity are the root's own bytes, so that chains below the root end at the anchor; whatever
 * narrowed the root narrows the anchor too. The recipe is measured on Envoy 1.40.0, which trusts an anchor that it
 * cannot trace to a self-signed certificate (PARTIAL_CHAIN). A leaf with a DNS or email name is refused, and so is one
 * whose authority key id carries an issuer and a serial number.
 *
 * The same root and trust domain give the same bytes, everywhere and always. For that the signing key, serial number
 * and issuer are derived from what is public: anyone can make this signature, and nobody trusts it. An anchor counts
 * because it is in the list, never because of who signed it.
 *
 * @param root DER.
 * @returns DER.
 * @throws BundleError `CertificateMalformed`
 * @throws AnchorError
 */
export function constrainedAnchor(root: Uint8Array, trustDomain: TrustDomain): Uint8Array {
  const reason = whyNotConstrainable(trustDomain);
  if (reason !== undefined) throw new AnchorError('TrustDomainNotConstrainable', reason);
  checkMaySign(root);
  const parts = certificateParts(root);
  checkPortable(parts);
  checkUnderstood(parts.extensions);

  const derived = deriveFrom(root, trustDomain);
  const body = encodeDer(
    DER_TAG.sequence,
    VERSION_3,
    derived.serialNumber,
    ED25519,
    derived.issuer,
    parts.validity,
    parts.subject,
    parts.publicKey,
    anchorExtensions(parts.extensions, trustDomain),
  );
  const signature = sign(null, body, derived.signingKey);
  return encodeDer(DER_TAG.sequence, body, ED25519, encodeDer(DER_TAG.bitString, NO_UNUSED_BITS, signature));
}

function checkMaySign(root: Uint8Array): void {
  const { isCa, keyUsage, fingerprint } = readCertificate(root);
  if (isCa && keyUsage?.keyCertSign !== false) return;
  throw new AnchorError('RootMayNotSign', `root ${fingerprint} may not sign certificates; an anchor would let it`);
}

function checkPortable(parts: CertificateParts): void {
  const fault = whyNotPortable(parts);
  if (fault === undefined) return;
  throw new AnchorError(
    'RootNotPortable',
    `the root has ${fault}: istiod or Envoy could not read it, and would lose the whole list; ask the peer for another root`,
  );
}

/** What a verifier would have to obey in the root must not get lost. */
function checkUnderstood(extensions: readonly Extension[]): void {
  const unknown = extensions.find(({ id, isCritical }) => isCritical && !UNDERSTOOD.includes(id));
  if (unknown === undefined) return;
  throw new AnchorError(
    'RootExtensionUnknown',
    `the root has the critical extension ${unknown.id}, which an anchor cannot carry; ask the peer for another root`,
  );
}

function anchorExtensions(ofRoot: readonly Extension[], trustDomain: TrustDomain): Uint8Array {
  const ownConstraints = ofRoot.find(({ id }) => id === EXTENSION.nameConstraints)?.value;
  const nameConstraints = encodeNameConstraints(narrowToTrustDomain(ownConstraints, trustDomain));
  const list = encodeDer(
    DER_TAG.sequence,
    extension(EXTENSION.basicConstraints, CA_WITHOUT_PATH_LENGTH, TRUE),
    extension(EXTENSION.keyUsage, CERT_AND_CRL_SIGN, TRUE),
    extension(EXTENSION.nameConstraints, nameConstraints, TRUE),
    // Never critical: Go refuses a critical key id.
    ...ofRoot.filter(({ id }) => COPIED.includes(id)).map(({ id, value }) => extension(id, value)),
  );
  return encodeDer(EXTENSIONS_TAG, list);
}

/** Extension := SEQUENCE { extnID, critical DEFAULT FALSE, extnValue }. */
function extension(id: string, value: Uint8Array, ...critical: readonly (typeof TRUE)[]): Uint8Array {
  return encodeDer(DER_TAG.sequence, encodeObjectIdentifier(id), ...critical, encodeDer(DER_TAG.octetString, value));
}

interface Derived {
  readonly signingKey: KeyObject;
  /** INTEGER and Name, each a whole value. */
  readonly serialNumber: Uint8Array;
  readonly issuer: Uint8Array;
}

function deriveFrom(root: Uint8Array, trustDomain: TrustDomain): Derived {
  const bytes = (purpose: string, length: number) =>
    Buffer.from(hkdfSync('sha256', root, '', `federation-broker anchor 1, ${purpose} of ${trustDomain}`, length));
  const [first = 0, ...rest] = bytes('serial number', 16);
  return {
    signingKey: ed25519Key(bytes('signing key', 32)),
    // Positive, and written as short as it can be.
    serialNumber: encodeDer(DER_TAG.integer, Uint8Array.of((first & 0x3f) | 0x40, ...rest)),
    issuer: encodeDer(
      DER_TAG.sequence,
      attribute(ATTRIBUTE.organization, 'federation-broker'),
      attribute(ATTRIBUTE.commonName, `anchor ${bytes('issuer', 8).toString('hex')}`),
    ),
  };
}

/** PKCS #8 (RFC 8410 §7): version 0, the algorithm, and the seed as an OCTET STRING in another. */
function ed25519Key(seed: Uint8Array): KeyObject {
  const wrapped = encodeDer(DER_TAG.octetString, encodeDer(DER_TAG.octetString, seed));
  const key = encodeDer(DER_TAG.sequence, encodeDer(DER_TAG.integer, Uint8Array.of(0)), ED25519, wrapped);
  return createPrivateKey({ key: Buffer.from(key), format: 'der', type: 'pkcs8' });
}

/** RelativeDistinguishedName := SET OF SEQUENCE { type, value }. */
function attribute(id: string, text: string): Uint8Array {
  const value = encodeDer(UTF8_STRING, Buffer.from(text));
  return encodeDer(SET, encodeDer(DER_TAG.sequence, encodeObjectIdentifier(id), value));
}
