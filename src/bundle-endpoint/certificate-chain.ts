// Which certificates did the other side of a TLS connection show? Node links each to its issuer.
import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls';

export type ShownCertificate = Pick<PeerCertificate, 'raw' | 'valid_to'>;

/** Leaf first, `most` at most; where Node verified them, the root that did it is the last. Empty when none was shown. */
export function certificateChain(leaf: PeerCertificate | undefined, most: number): readonly ShownCertificate[] {
  const chain: ShownCertificate[] = [];
  // An empty object says that there is none, whatever its type says.
  let each: Partial<DetailedPeerCertificate> | undefined = leaf;
  while (each?.raw !== undefined && chain.length < most) {
    const { raw, valid_to = '' } = each;
    // A root is its own issuer.
    if (chain.some((known) => raw.equals(known.raw))) break;
    chain.push({ raw, valid_to });
    each = each.issuerCertificate;
  }
  return chain;
}
