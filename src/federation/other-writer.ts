// Does somebody else write this peer's bundle into SPIRE? One writer a trust domain; two would undo each other's work.
import { foreignDeclaration } from './delegation.ts';
import type { Facts } from './facts.ts';
import type { Peer } from './relationship.ts';

export interface OtherWriter {
  readonly reason: 'ApiRelationship' | 'StaticRelationship' | 'BundleOverwritten' | 'ClusterFederatedTrustDomain';
  readonly message: string;
}

/**
 * SPIRE's own poller rewrites a bundle at every poll and resets its sequence number to 0 (measured on SPIRE 1.15.3), so
 * beside it neither our guard against old documents nor the stored content would last.
 */
export function findOtherWriter(peer: Peer, facts: Facts): OtherWriter | undefined {
  const { trustDomain } = peer;
  const foreign = foreignDeclaration(peer, facts);
  if (foreign !== undefined) {
    return {
      reason: 'ClusterFederatedTrustDomain',
      message: `spire-controller-manager makes SPIRE poll ${trustDomain} by ClusterFederatedTrustDomain "${foreign.name}", which the broker did not make; delete it with "kubectl delete clusterfederatedtrustdomain ${foreign.name}", or delete the declaration of this peer`,
    };
  }
  if (peer.mode === 'Delegate') return undefined;
  const { relationships, managed, staticPollers, overwritten } = facts;
  const relationshipIsOurs = managed.state === 'Known' && managed.value.get(trustDomain) === 'Delegate';
  if (relationships.state === 'Known' && relationships.value.has(trustDomain) && !relationshipIsOurs) {
    return {
      reason: 'ApiRelationship',
      message: `SPIRE itself polls ${trustDomain} by a federation relationship that the broker did not make; delete it with "spire-server federation delete -id ${trustDomain}", or declare mode: Delegate`,
    };
  }
  if (staticPollers.get(trustDomain) === 'Present') {
    return {
      reason: 'StaticRelationship',
      message: `SPIRE itself polls ${trustDomain} by federates_with in its configuration file; take that block out and restart spire-server, or declare mode: Delegate`,
    };
  }
  if (overwritten.has(trustDomain)) {
    return {
      reason: 'BundleOverwritten',
      message: `the bundle of ${trustDomain} was replaced in SPIRE by somebody else more than once; find the other writer, then restart the broker`,
    };
  }
  return undefined;
}
