// How does a test serve a resource whose schema does not matter to it? (apiextensions.k8s.io/v1)
import type { Resource } from '../../../src/kubernetes/kube-object.ts';

/** A definition that takes any fields. */
export function openDefinition({ group, version, plural, kind, namespaced }: Resource): object {
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: namespaced ? 'Namespaced' : 'Cluster',
      names: { plural, singular: kind.toLowerCase(), kind, listKind: `${kind}List` },
      versions: [{ name: version, served: true, storage: true, schema }],
    },
  };
}
