// Who speaks for a declared peer when it asks our endpoint, and what proves it? (X509-SVID §5)
import type { Bundle } from '../bundle/bundle.ts';
import { parseSpiffeId, trustDomainOf, type SpiffeId } from '../bundle/spiffe-id.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Acknowledgement } from './acknowledgement.ts';
import type { Peer } from './relationship.ts';

export interface PeerBroker {
  /** Any of them is the peer's broker. */
  readonly spiffeIds: readonly SpiffeId[];
  /** Each may verify its SVID alone. None: nothing is known that could. */
  readonly bundles: readonly Bundle[];
}

/** The brokers of declared peers, for our endpoint. */
export interface PeerBrokers {
  /** Undefined: no such peer is declared. */
  find(trustDomain: TrustDomain): Promise<PeerBroker | undefined>;
  noteAcknowledged(acknowledgement: Acknowledgement): void;
}

/** What they have told so far. */
export interface PeerHoldings {
  /** The newest of each peer that may verify our SVIDs. */
  acknowledged(): readonly Acknowledgement[];
}

/** How every broker of this program is named in its trust domain. */
export function brokerSpiffeId(trustDomain: TrustDomain): SpiffeId {
  return parseSpiffeId(`spiffe://${trustDomain}/federation-broker`);
}

/**
 * The broker's own name, and that of the declared endpoint where it is of the peer's trust domain: an endpoint that is
 * not ours may serve what a broker beside it fetches by, and another program may fetch by the name it serves with.
 */
export function brokerSpiffeIdsOf({
  trustDomain,
  profile,
}: Pick<Peer, 'trustDomain' | 'profile'>): readonly SpiffeId[] {
  const own = brokerSpiffeId(trustDomain);
  if (profile.type === 'https_web') return [own];
  const { endpointSpiffeId } = profile;
  return endpointSpiffeId === own || trustDomainOf(endpointSpiffeId) !== trustDomain ? [own] : [own, endpointSpiffeId];
}

export interface PeerBundles {
  /** What SPIRE holds. */
  readonly held: Bundle | undefined;
  /** What was fetched and is withheld. */
  readonly fetched: Bundle | undefined;
  readonly readBootstrap: () => Promise<Bundle | undefined>;
}

/** Before anything was accepted of the peer, what was fetched or declared of it says who it is; afterwards never. */
export async function peerBrokerOf(peer: Peer, { held, fetched, readBootstrap }: PeerBundles): Promise<PeerBroker> {
  const spiffeIds = brokerSpiffeIdsOf(peer);
  if (peer.suspend === 'Revoke') return { spiffeIds, bundles: [] };
  if (held !== undefined && held.x509Authorities.length > 0) return { spiffeIds, bundles: [held] };
  const bootstrap = await readBootstrap().catch(() => undefined);
  return { spiffeIds, bundles: [fetched, bootstrap].filter((bundle) => bundle !== undefined) };
}
