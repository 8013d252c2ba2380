// With which certificates did the endpoint prove its identity? Their fingerprints, as evidence for people.
import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls';
import { fingerprint } from '../bundle/bundle.ts';

const MAX_DEPTH = 8;

/** SHA-256, leaf first, the root that verified it last. */
export function certificateChain(certificate: PeerCertificate | undefined): readonly string[] {
  const chain: string[] = [];
  let each: Partial<DetailedPeerCertificate> | undefined = certificate;
  while (each?.raw !== undefined && chain.length < MAX_DEPTH) {
    const known: string = fingerprint(each.raw);
    // A root is its own issuer.
    if (chain.includes(known)) break;
    chain.push(known);
    each = each.issuerCertificate;
  }
  return chain;
}
