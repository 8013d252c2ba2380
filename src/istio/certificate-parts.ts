// Which bytes stand at which place of a certificate? (RFC 5280 §4.1; for those that are taken over as they are)
import { BundleError } from '../bundle/bundle-error.ts';
import { readCertificate } from '../bundle/certificate.ts';
import {
  contentOf,
  DER_TAG,
  DerError,
  readBoolean,
  readDer,
  readDerValues,
  readObjectIdentifier,
} from '../bundle/der.ts';
import { encodeDer } from './write-der.ts';

export interface CertificateParts {
  readonly version: number;
  /** The octets of the INTEGER. */
  readonly serialNumber: Uint8Array;
  /** What names the algorithm of the signature: within what is signed, and beside the signature. */
  readonly signatureAlgorithms: readonly [inner: Uint8Array, outer: Uint8Array];
  /** Each of these is a whole value, with tag and length. */
  readonly issuer: Uint8Array;
  readonly validity: Uint8Array;
  readonly subject: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly extensions: readonly Extension[];
}

export interface Extension {
  /** In dotted decimal. */
  readonly id: string;
  readonly isCritical: boolean;
  /** What the OCTET STRING holds. */
  readonly value: Uint8Array;
}

/**
 * Tags of the optional values at the beginning and the end of a TBSCertificate. Between them: serialNumber, signature,
 * issuer, validity, subject, subjectPublicKeyInfo.
 */
const TAG = { version: 0xa0, extensions: 0xa3 } as const;

/** @throws BundleError `CertificateMalformed` */
export function certificateParts(certificate: Uint8Array): CertificateParts {
  // Judges what is not read here, and says it in words for people.
  readCertificate(certificate);
  try {
    return readParts(certificate);
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new BundleError('CertificateMalformed', `the certificate cannot be read: ${error.message}`, { cause: error });
  }
}

function readParts(certificate: Uint8Array): CertificateParts {
  const [body, outerAlgorithm] = readDerValues(readDer(certificate, DER_TAG.sequence));
  const values = readDerValues(contentOf(body, DER_TAG.sequence));
  const version = values.find(({ tag }) => tag === TAG.version);
  const [serialNumber, algorithm, issuer, validity, subject, publicKey] =
    version === undefined ? values : values.slice(1);
  const extensions = values.find(({ tag }) => tag === TAG.extensions);
  return {
    version: version === undefined ? 1 : readVersion(version.content),
    serialNumber: contentOf(serialNumber, DER_TAG.integer),
    signatureAlgorithms: [contentOf(algorithm, DER_TAG.sequence), contentOf(outerAlgorithm, DER_TAG.sequence)],
    issuer: encodeDer(DER_TAG.sequence, contentOf(issuer, DER_TAG.sequence)),
    validity: encodeDer(DER_TAG.sequence, contentOf(validity, DER_TAG.sequence)),
    subject: encodeDer(DER_TAG.sequence, contentOf(subject, DER_TAG.sequence)),
    publicKey: encodeDer(DER_TAG.sequence, contentOf(publicKey, DER_TAG.sequence)),
    extensions: extensions === undefined ? [] : readExtensions(extensions.content),
  };
}

/** OpenSSL reads more octets than one, and looks at the first. */
function readVersion(content: Uint8Array): number {
  const [version = 0, ...others] = readDer(content, DER_TAG.integer);
  if (others.length > 0) throw new DerError('a version that is none');
  return version + 1;
}

/** Extensions := SEQUENCE OF SEQUENCE { extnID, critical DEFAULT FALSE, extnValue }. */
function readExtensions(content: Uint8Array): readonly Extension[] {
  return readDerValues(readDer(content, DER_TAG.sequence)).map((extension) => {
    const parts = readDerValues(contentOf(extension, DER_TAG.sequence));
    const [id, critical] = parts;
    return {
      id: readObjectIdentifier(contentOf(id, DER_TAG.objectIdentifier)),
      isCritical: critical?.tag === DER_TAG.boolean && readBoolean(critical.content),
      value: contentOf(parts.at(-1), DER_TAG.octetString),
    };
  });
}
