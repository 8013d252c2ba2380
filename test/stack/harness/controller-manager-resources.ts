// Which resources does spire-controller-manager bring, as far as the tests use them? (spire.spiffe.io/v1alpha1)
import { CLUSTER_FEDERATED_TRUST_DOMAINS } from '../../../src/kubernetes/federated-trust-domains.ts';
import { CLUSTER_SPIFFE_IDS } from '../../../src/kubernetes/cluster-spiffeids.ts';
import type { Resource } from '../../../src/kubernetes/kube-object.ts';

const text = { type: 'string' };
const texts = { type: 'array', items: text };

export const CONTROLLER_MANAGER_DEFINITIONS = [
  definition(CLUSTER_SPIFFE_IDS, {
    required: ['spiffeIDTemplate'],
    properties: { spiffeIDTemplate: text, federatesWith: texts, className: text, hint: text },
  }),
  definition(CLUSTER_FEDERATED_TRUST_DOMAINS, {
    required: ['trustDomain', 'bundleEndpointURL', 'bundleEndpointProfile'],
    properties: {
      trustDomain: { ...text, pattern: '[a-z0-9._-]{1,255}' },
      bundleEndpointURL: text,
      bundleEndpointProfile: {
        type: 'object',
        required: ['type'],
        properties: { type: { ...text, enum: ['https_spiffe', 'https_web'] }, endpointSPIFFEID: text },
      },
      trustDomainBundle: text,
      className: text,
    },
  }),
];

function definition({ group, version, plural, kind }: Resource, spec: object): object {
  const properties = { spec: { type: 'object', ...spec }, status: { type: 'object' } };
  const names = { plural, singular: kind.toLowerCase(), kind, listKind: `${kind}List` };
  const schema = { openAPIV3Schema: { type: 'object', properties } };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Cluster',
      names,
      versions: [{ name: version, served: true, storage: true, subresources: { status: {} }, schema }],
    },
  };
}
