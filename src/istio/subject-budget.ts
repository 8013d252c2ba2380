// How much of a TLS handshake do the names of these CAs take? (RFC 8446 §4.2.4: a server sends its clients the subjects it trusts)
import { certificateParts } from './certificate-parts.ts';

/** Measured on Envoy 1.40.0: with one byte more, the list loads and every handshake fails, also that of our own workloads. */
export const SUBJECT_BYTES_ENVOY_MAX = 65_535;
/** From here on an operator is warned. */
export const SUBJECT_BYTES_WARN = 24 * 1024;
/** Beyond this a peer is refused: the mesh's own roots and those of others need room too. */
export const SUBJECT_BYTES_MAX = 48 * 1024;

/** DistinguishedName authorities<3..2^16-1>: each name is preceded by its length. */
const LENGTH_PREFIX_BYTES = 2;

/**
 * Bytes the certificates take in that list, the subjects' lengths included. A subject that several have counts once.
 *
 * @param certificates DER.
 * @throws BundleError `CertificateMalformed`
 */
export function subjectListBytes(certificates: Iterable<Uint8Array>): number {
  const lengths = new Map<string, number>();
  for (const certificate of certificates) {
    const { subject } = certificateParts(certificate);
    lengths.set(Buffer.from(subject).toString('latin1'), subject.length + LENGTH_PREFIX_BYTES);
  }
  return [...lengths.values()].reduce((sum, length) => sum + length, 0);
}
