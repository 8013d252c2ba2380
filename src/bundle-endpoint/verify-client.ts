// Is this client the broker of a declared peer? Verified by that peer's bundle alone, and once for each certificate.
import type { TLSSocket } from 'node:tls';
import { fingerprint, type Bundle } from '../bundle/bundle.ts';
import { BundleError } from '../bundle/bundle-error.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { verifyX509Svid } from '../bundle/x509-svid-path.ts';
import type { PeerBrokers } from '../federation/peer-broker.ts';
import { claimOf, shownChain, type ClientClaim } from './client-certificate.ts';
import { ProofMemory, type Proof } from './proof-memory.ts';

const REFUSED_BY_FORM = ['CertificateMalformed', 'SvidInvalid', 'SvidExpired', 'SvidUntrusted'] as const;

/** Why a certificate that was shown proves nothing. Its client is served like any other. */
export type ClientRefusal =
  | (typeof REFUSED_BY_FORM)[number]
  | 'PeerNotDeclared'
  | 'NotTheBroker'
  /** Nothing is held, fetched or declared of the peer that could verify it. */
  | 'NoAuthorities';

export type ClientVerdict =
  | { readonly kind: 'Anonymous' }
  | { readonly kind: 'Refused'; readonly reason: ClientRefusal }
  | { readonly kind: 'Broker'; readonly trustDomain: TrustDomain };

export class ClientVerifier {
  readonly #find: PeerBrokers['find'];
  /** Read once a connection. */
  readonly #claims = new WeakMap<TLSSocket, ClientClaim | BundleError>();
  /** Of whole chains. */
  readonly #proofs = new ProofMemory<Proof>();

  constructor(find: PeerBrokers['find']) {
    this.#find = find;
  }

  /**
   * Whom it claims to be; undefined: it showed no certificate at all. Most do not, and of them nothing is remembered:
   * each entry is work at each collection.
   */
  claim(socket: TLSSocket): ClientClaim | BundleError | undefined {
    const known = this.#claims.get(socket);
    if (known !== undefined) return known;
    const claim = claimOf(socket);
    if (claim !== undefined) this.#claims.set(socket, claim);
    return claim;
  }

  async verify(socket: TLSSocket, now: Date): Promise<ClientVerdict> {
    const claim = this.claim(socket);
    if (claim === undefined) return { kind: 'Anonymous' };
    if (claim instanceof BundleError) return refused(claim);
    const { spiffeId, trustDomain } = claim;
    const broker = await this.#find(trustDomain);
    if (broker === undefined) return { kind: 'Refused', reason: 'PeerNotDeclared' };
    if (!broker.spiffeIds.includes(spiffeId)) return { kind: 'Refused', reason: 'NotTheBroker' };
    let reason: ClientRefusal = 'NoAuthorities';
    for (const bundle of broker.bundles) {
      const fault = this.#faultBy(bundle, claim, socket, now);
      if (fault === undefined) return { kind: 'Broker', trustDomain };
      reason = reasonOf(fault);
    }
    return { kind: 'Refused', reason };
  }

  #faultBy(bundle: Bundle, claim: ClientClaim, socket: TLSSocket, now: Date): BundleError | undefined {
    const { spiffeId, chainDigest: digest } = claim;
    const { x509Authorities } = bundle;
    if (this.#proofs.find(spiffeId, digest, x509Authorities, now) !== undefined) return undefined;
    try {
      const { notAfter } = verifyX509Svid(shownChain(socket), bundle, now);
      this.#proofs.note(spiffeId, { digest, authorities: x509Authorities.map(fingerprint), notAfter }, now);
      return undefined;
    } catch (error) {
      if (error instanceof BundleError) return error;
      throw error;
    }
  }
}

function refused(fault: BundleError): ClientVerdict {
  return { kind: 'Refused', reason: reasonOf(fault) };
}

function reasonOf({ code }: BundleError): ClientRefusal {
  return REFUSED_BY_FORM.find((reason) => reason === code) ?? 'CertificateMalformed';
}
