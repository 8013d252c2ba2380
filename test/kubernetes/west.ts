// What do these tests store? Peers, which belong to no namespace, and Secrets, which do.
import type { ObjectBody } from '../../src/kubernetes/kube-object.ts';
import type { Place, ServedResource } from '../fakes/fake-api-store.ts';

/** Belongs to no namespace and has a status. */
export const PEERS: ServedResource = {
  group: 'fedbroker.dev',
  version: 'v1alpha1',
  plural: 'peertrustdomains',
  kind: 'PeerTrustDomain',
  namespaced: false,
  hasStatus: true,
  fault: ({ spec }) =>
    (spec as { trustDomain?: string } | undefined)?.trustDomain === undefined
      ? 'spec.trustDomain: Required value'
      : undefined,
};

export function peer(name: string, spec: Readonly<Record<string, unknown>> = {}): ObjectBody {
  return { metadata: { name }, spec: { trustDomain: `${name}.example`, ...spec } };
}

/** Of a peer in the fake's store. */
export function placeOf(name: string): Place {
  return { resource: PEERS, namespace: undefined, name, subresource: undefined };
}
