// Whose authorities must the peer's bundle endpoint prove itself with? (SPIFFE Federation §5.2.1.4, §5.2.2.4)
import type { Bundle } from '../bundle/bundle.ts';
import { readCertificate } from '../bundle/certificate.ts';
import { trustDomainOf } from '../bundle/spiffe-id.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { EndpointTrust } from './ports.ts';
import type { Peer } from './relationship.ts';

export type EndpointTrustChoice =
  | { readonly source: 'WebPki' | 'Held' | 'Bootstrap' | 'Pinned'; readonly trust: EndpointTrust }
  /** Nothing to verify the endpoint with: it must not be dialled. */
  | { readonly source: 'None'; readonly message: string };

export interface EndpointTrustInput {
  readonly peer: Pick<Peer, 'trustDomain' | 'profile' | 'webCaPem' | 'policy'>;
  /** The newest bundle held for a trust domain, ours included. */
  readonly held: (trustDomain: TrustDomain) => Bundle | undefined;
  /** The declaration's `trustDomainBundle`, when it could be read. */
  readonly bootstrap: Bundle | undefined;
  /** The latest attempt found the endpoint's certificate signed by a root that we do not hold. */
  readonly endpointRootUnknown: boolean;
}

/**
 * `https_spiffe`: the held bundle of the endpoint's trust domain. The declared bootstrap bundle serves the first
 * contact only, or pins where it declares no bundle; and once more when the endpoint's root is unknown and the operator has declared something newer.
 * The two are never merged.
 */
export function chooseEndpointTrust(input: EndpointTrustInput): EndpointTrustChoice {
  const { peer, bootstrap } = input;
  if (peer.profile.type === 'https_web') {
    const trust: EndpointTrust = { type: 'https_web', ...(peer.webCaPem !== undefined && { caPem: peer.webCaPem }) };
    return { source: 'WebPki', trust };
  }
  const { endpointSpiffeId } = peer.profile;
  const endpointTrustDomain = trustDomainOf(endpointSpiffeId);
  const spiffeTrust = (bundle: Bundle): EndpointTrust => ({
    type: 'https_spiffe',
    endpointSpiffeId,
    authorities: bundle.x509Authorities,
  });
  const held = input.held(endpointTrustDomain);
  // A bootstrap bundle speaks for the peer's own trust domain, so it cannot authenticate an endpoint of another.
  const usable = endpointTrustDomain === peer.trustDomain ? bootstrap : undefined;
  if (held === undefined || held.x509Authorities.length === 0) {
    if (usable !== undefined) return { source: 'Bootstrap', trust: spiffeTrust(usable) };
    const { pins } = peer.policy;
    if (pins.length > 0 && endpointTrustDomain === peer.trustDomain) {
      return { source: 'Pinned', trust: { type: 'https_spiffe', endpointSpiffeId, authorities: [], pins } };
    }
    return { source: 'None', message: nothingHeldMessage(peer.trustDomain, endpointTrustDomain) };
  }
  if (input.endpointRootUnknown && usable !== undefined && isNewer(usable, held)) {
    return { source: 'Bootstrap', trust: spiffeTrust(usable) };
  }
  return { source: 'Held', trust: spiffeTrust(held) };
}

function nothingHeldMessage(trustDomain: TrustDomain, endpointTrustDomain: TrustDomain): string {
  return trustDomain === endpointTrustDomain
    ? `no bundle of ${trustDomain} is held and none is declared for the first contact; give one in spec.trustDomainBundle, or pins in spec.policy.pin`
    : `the endpoint belongs to ${endpointTrustDomain}, of which no bundle is held; declare ${endpointTrustDomain} as a peer too`;
}

/**
 * A higher sequence number; where either has none, a root that began later than every root of the other. Without this
 * an old bootstrap file could bring back a root that the peer has withdrawn since.
 */
export function isNewer(candidate: Bundle, held: Bundle): boolean {
  if (candidate.sequenceNumber !== undefined && held.sequenceNumber !== undefined) {
    return candidate.sequenceNumber > held.sequenceNumber;
  }
  return newestRootAtMs(candidate) > newestRootAtMs(held);
}

function newestRootAtMs(bundle: Bundle): number {
  return Math.max(...bundle.x509Authorities.map((der) => readCertificate(der).notBefore.getTime()));
}
