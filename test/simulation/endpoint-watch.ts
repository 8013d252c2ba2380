// Can a peer verify our endpoint while one of its SVIDs is signed by a root that this peer holds? Who cannot, never fetches
// what it lacks. (docs of src/bundle-endpoint/serving-svid-choice.ts)
import { fingerprint, type X509Authority } from '../../src/bundle/bundle.ts';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import type { EndpointIdentity, SimulatedEndpoint } from './endpoint-model.ts';
import type { Promised } from './invariants.ts';
import type { SimulatedTrustDomain } from './trust-domain-model.ts';
import { isInForce } from './trust-watch.ts';
import type { World } from './world.ts';

/** An endpoint proved its identity by a root that is not among the anchors. */
export interface ShutOut {
  readonly consumer: TrustDomain;
  readonly publisher: TrustDomain;
  readonly anchors: readonly X509Authority[];
  readonly endpoint: SimulatedEndpoint;
  readonly identity: EndpointIdentity;
}

export const PEER_SHUT_OUT: Promised = {
  id: 'PeerShutOut',
  rule: 'our endpoint presents what its consumers can verify',
  promise:
    'an endpoint presents a new root, though it has an SVID of an older one, to a peer that has told that it lacks the new one, or that nothing hindered to fetch it',
};

/** Longer than any pause of a broker that failed before. */
const UNHINDERED_FOR_MS = 60_000;

export function objectionToShutOut(world: World, sight: ShutOut): string | undefined {
  const [consumer, publisher] = [world.of(sight.consumer), world.of(sight.publisher)];
  if (!isInForce(consumer, publisher.trustDomain) || !isInForce(publisher, consumer.trustDomain)) return undefined;
  if (sight.endpoint.hasSvidFor?.(sight.anchors) !== true) return undefined;
  const because = hasTold(consumer, publisher, sight)
    ? 'it had told that it lacks that root'
    : wasUnhindered(consumer, publisher)
      ? 'nothing hindered it'
      : undefined;
  const root = world.pool.nameOf(sight.identity.signedBy);
  return (
    because && `${consumer.trustDomain} cannot verify the endpoint of ${publisher.trustDomain} by ${root}: ${because}`
  );
}

/** To this very process, and before that presented the root. */
function hasTold(
  { trustDomain }: SimulatedTrustDomain,
  { declaredAtMs }: SimulatedTrustDomain,
  { endpoint, identity: { signedBy, signsSinceMs } }: ShutOut,
): boolean {
  const told = endpoint.acknowledgements?.told.get(trustDomain);
  if (told === undefined || signsSinceMs === undefined || told.sinceMs >= signsSinceMs) return false;
  return told.sinceMs > (declaredAtMs.get(trustDomain) ?? -1) && !told.roots.includes(fingerprint(signedBy));
}

/** Since long before the newest root was published. */
function wasUnhindered(consumer: SimulatedTrustDomain, publisher: SimulatedTrustDomain): boolean {
  if (consumer.troubles > 0 || publisher.troubles > 0) return false;
  const lastMs = Math.max(
    ...[consumer.disturbedAtMs, publisher.disturbedAtMs],
    ...[consumer.declaredAtMs.get(publisher.trustDomain) ?? 0, publisher.declaredAtMs.get(consumer.trustDomain) ?? 0],
  );
  return lastMs === 0 || lastMs + UNHINDERED_FOR_MS < publisher.preparedAtMs;
}
