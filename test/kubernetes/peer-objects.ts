// What does a PeerTrustDomain object look like, for these tests? As an API server would give it.
import type { KubeObject, ObjectMeta } from '../../src/kubernetes/kube-object.ts';
import { BROKER_OF } from '../../src/kubernetes/managed-by.ts';
import { UNFEDERATE } from '../../src/kubernetes/finalizer.ts';

type Fields = Readonly<Record<string, unknown>>;

export function specOf(trustDomain: string, more: Fields = {}): Fields {
  return {
    trustDomain,
    bundleEndpointURL: `https://bundle.${trustDomain}/`,
    bundleEndpointProfile: { type: 'https_spiffe', endpointSPIFFEID: `spiffe://${trustDomain}/federation-broker` },
    ...more,
  };
}

interface Changes {
  readonly metadata?: Partial<ObjectMeta>;
  readonly spec?: Fields;
  readonly status?: Fields;
}

/** `<name>.example`'s object, with the finalizer on it, for the broker of `EAST`. */
export function objectOf(name: string, { metadata = {}, spec = {}, status }: Changes = {}): KubeObject {
  return {
    apiVersion: 'fedbroker.dev/v1alpha1',
    kind: 'PeerTrustDomain',
    metadata: {
      name,
      uid: `uid-${name}`,
      resourceVersion: '1',
      generation: 1,
      creationTimestamp: '2040-01-01T00:00:00Z',
      finalizers: [UNFEDERATE],
      annotations: { [BROKER_OF]: 'east.example' },
      ...metadata,
    },
    spec: specOf(`${name}.example`, spec),
    ...(status !== undefined && { status }),
  };
}

export const DELETING = { deletionTimestamp: '2040-01-02T00:00:00Z' } as const;
