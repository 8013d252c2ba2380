// Whose certificate did this client show? Claimed, not verified: TLS has proved no more than that it has the key.
import { createHash } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { BundleError } from '../bundle/bundle-error.ts';
import { trustDomainOf, type SpiffeId } from '../bundle/spiffe-id.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { checkX509SvidLeaf } from '../bundle/x509-svid.ts';
import { MAX_PATH_CERTIFICATES } from '../bundle/x509-svid-path.ts';
import { certificateChain } from './certificate-chain.ts';

export interface ClientClaim {
  readonly spiffeId: SpiffeId;
  readonly trustDomain: TrustDomain;
  /** SHA-256 over the chain as it was shown. */
  readonly chainDigest: string;
}

/**
 * Leaf first; empty when the client showed none. Node's newer `getPeerX509Certificate` would be cheaper, but each call
 * takes the certificates after the leaf out of the connection, and nobody frees them.
 */
export function shownChain(socket: TLSSocket): readonly Uint8Array[] {
  return certificateChain(socket.getPeerCertificate(true), MAX_PATH_CERTIFICATES).map(({ raw }) => raw);
}

/** Undefined without a certificate; the error says why the one that was shown is no X.509-SVID. */
export function claimOf(socket: TLSSocket): ClientClaim | BundleError | undefined {
  const chain = shownChain(socket);
  const [leaf] = chain;
  if (leaf === undefined) return undefined;
  try {
    const spiffeId = checkX509SvidLeaf(leaf);
    const hash = createHash('sha256');
    for (const der of chain) hash.update(der);
    return { spiffeId, trustDomain: trustDomainOf(spiffeId), chainDigest: hash.digest('hex') };
  } catch (error) {
    if (error instanceof BundleError) return error;
    throw error;
  }
}
