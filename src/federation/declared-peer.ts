// What is declared of one trust domain? By name: many ask, at each step and at each request of a client.
import { remembered } from '../bundle/remembered.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Declarations, Facts } from './facts.ts';
import type { Peer } from './relationship.ts';

/** Undefined while nothing could be read, too. */
export function declaredPeer(declared: Facts['declared'], trustDomain: TrustDomain): Peer | undefined {
  return declared.state === 'Known' ? peersByName(declared.value).get(trustDomain) : undefined;
}

const peersByName = remembered(
  ({ peers }: Declarations): ReadonlyMap<TrustDomain, Peer> => new Map(peers.map((peer) => [peer.trustDomain, peer])),
);
