// How is a bundle told in /status? Digest, numbers, and of each root fingerprint, subject and end.
import { bundleDigest, type Bundle } from '../bundle/bundle.ts';
import { summarizeRoot } from '../bundle/certificate.ts';

export interface BundleStatus {
  readonly digest: string;
  /** As text: it has 64 bits. */
  readonly sequence?: string;
  readonly refreshHintSeconds?: number;
  readonly roots: readonly { readonly fingerprint: string; readonly subject: string; readonly notAfter: string }[];
  readonly jwtKeyIds: readonly string[];
}

export function bundleStatus(bundle: Bundle): BundleStatus {
  return {
    digest: bundleDigest(bundle),
    ...(bundle.sequenceNumber !== undefined && { sequence: bundle.sequenceNumber.toString() }),
    ...(bundle.refreshHintSeconds !== undefined && { refreshHintSeconds: bundle.refreshHintSeconds }),
    roots: bundle.x509Authorities.map((der) => {
      const { fingerprint, subject, notAfter } = summarizeRoot(der);
      return { fingerprint, subject, notAfter: notAfter.toISOString() };
    }),
    jwtKeyIds: bundle.jwtAuthorities.map(({ keyId }) => keyId),
  };
}
