// What do these tests store? Two resources of a made-up group, and objects of them.
import type { ObjectBody } from '../../src/kubernetes/kube-object.ts';
import type { ServedResource } from '../fakes/fake-api-store.ts';

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

export const SECRETS: ServedResource = {
  group: '',
  version: 'v1',
  plural: 'secrets',
  kind: 'Secret',
  namespaced: true,
};

export function peer(name: string, spec: Readonly<Record<string, unknown>> = {}): ObjectBody {
  return { metadata: { name }, spec: { trustDomain: `${name}.example`, ...spec } };
}
