// Would a peer's root be taken for one of ours? Envoy looks an issuer up by its name, and by key ids only where both have
// them; it tries the first that fits, and no other. (measured on Envoy 1.40.0)
import type { Bundle } from '../bundle/bundle.ts';
import { readCertificate, type Certificate } from '../bundle/certificate.ts';

export interface OurRoots {
  /** Completes "a root of …". */
  readonly of: string;
  /** DER. */
  readonly roots: readonly Uint8Array[];
}

/** Completes "…; so it is refused", for the first root of the peer that has the key or the name of one of ours. */
export function collisionWith({ x509Authorities }: Bundle, ours: readonly OurRoots[]): string | undefined {
  for (const theirs of x509Authorities.map(readCertificate)) {
    for (const { of, roots } of ours) {
      const common = roots.map((root) => commonOf(theirs, readCertificate(root))).find((each) => each !== undefined);
      if (common !== undefined) return `root ${theirs.fingerprint.slice(0, 16)}… has ${common} of a root of ${of}`;
    }
  }
  return undefined;
}

function commonOf(theirs: Certificate, our: Certificate): string | undefined {
  if (theirs.publicKey.fingerprint === our.publicKey.fingerprint) return 'the key';
  if (canonical(theirs.subject) !== canonical(our.subject)) return undefined;
  if (theirs.subjectKeyId === our.subjectKeyId) return 'the subject and subject key id';
  const isLookedUpByName = theirs.subjectKeyId === undefined || our.subjectKeyId === undefined;
  return isLookedUpByName ? 'the subject, without subject key ids that tell them apart,' : undefined;
}

/** Names are compared without case and space. */
function canonical(name: string): string {
  return name.toLowerCase().replaceAll(/\s/g, '');
}
