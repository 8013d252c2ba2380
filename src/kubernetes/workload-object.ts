// What keeps pods running, how many, and of which template? (Deployment and StatefulSet of apps v1)
import type { KubeObject, Resource } from './kube-object.ts';
import { fieldsOf, type Fields } from './object-fields.ts';

export const DEPLOYMENTS: Resource = {
  group: 'apps',
  version: 'v1',
  plural: 'deployments',
  kind: 'Deployment',
  namespaced: true,
};

export const STATEFUL_SETS: Resource = {
  group: 'apps',
  version: 'v1',
  plural: 'statefulsets',
  kind: 'StatefulSet',
  namespaced: true,
};

/** Of the template that its pods are made of. */
export function podSpecOf(object: KubeObject): Fields {
  return fieldsOf(fieldsOf(fieldsOf(object['spec'])['template'])['spec']);
}

/** Wanted and ready; one is wanted where nothing is said. */
export function replicasOf(object: KubeObject): { readonly replicas: number; readonly readyReplicas: number } {
  const { replicas } = fieldsOf(object['spec']);
  const { readyReplicas } = fieldsOf(object['status']);
  return { replicas: countOf(replicas) ?? 1, readyReplicas: countOf(readyReplicas) ?? 0 };
}

function countOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
