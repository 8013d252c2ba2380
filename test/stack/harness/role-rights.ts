// How does a test take one right away from the broker's service account, and give it back?
import assert from 'node:assert/strict';
import type { ApiServer } from '../../../src/kubernetes/api-server.ts';
import type { Resource } from '../../../src/kubernetes/kube-object.ts';
import { type Manifest, readManifests } from '../../deploy/manifest.ts';
import type { Right } from '../../deploy/right-rows.ts';
import { eventually } from './eventually.ts';

export const NAMESPACE = 'spire-server';
/** Of the sidecar. */
export const ACCOUNT = { namespace: NAMESPACE, name: 'spire-server' };
const ROLES = resource('rbac.authorization.k8s.io', 'v1', 'roles', 'Role', true);
const CLUSTER_ROLES = resource('rbac.authorization.k8s.io', 'v1', 'clusterroles', 'ClusterRole', false);
const ACCESS_REVIEWS = resource('authorization.k8s.io', 'v1', 'subjectaccessreviews', 'SubjectAccessReview', false);

/** Resolves when the API server goes by it. */
export async function setRight(
  admin: ApiServer,
  { file, resource: plural, object, verb }: Right,
  wanted: 'Given' | 'Taken',
  account = ACCOUNT,
): Promise<void> {
  const { kind, metadata, rules = [] } = roleIn(file);
  const gives = rules.find(
    ({ resources, resourceNames, verbs }) =>
      resources.includes(plural) && verbs.includes(verb) && (object === undefined || resourceNames?.includes(object)),
  );
  assert.ok(gives, `${file} does not give ${verb} of ${plural}`);
  const others = gives.resources.filter((each) => each !== plural);
  const rest = [
    { ...gives, resources: [plural], verbs: gives.verbs.filter((each) => each !== verb) },
    { ...gives, resources: others },
  ];
  const changed = wanted === 'Given' ? rules : rules.flatMap((rule) => (rule === gives ? rest : [rule]));
  const isOfCluster = kind === 'ClusterRole';
  const namespace = isOfCluster ? undefined : (metadata.namespace ?? NAMESPACE);
  const ref = { resource: isOfCluster ? CLUSTER_ROLES : ROLES, name: metadata.name, namespace };
  await admin.mergePatch(ref, {
    rules: changed.filter(({ resources, verbs }) => resources.length > 0 && verbs.length > 0),
  });
  const [group, name] = [gives.apiGroups[0], gives.resourceNames?.[0]];
  const [resource, subresource] = plural.split('/');
  const spec = {
    user: `system:serviceaccount:${account.namespace}:${account.name}`,
    resourceAttributes: { namespace, verb, group, resource, subresource, name },
  };
  await eventually(
    'the API server knows the role',
    async () => {
      const { status } = await admin.create(ACCESS_REVIEWS, { metadata: { name: '' }, spec });
      return (status as { readonly allowed: boolean }).allowed === (wanted === 'Given');
    },
    { intervalMs: 25 },
  );
}

function roleIn(file: string): Manifest {
  const found = readManifests(`deploy/rbac/${file}`).find(({ rules }) => rules !== undefined);
  assert.ok(found, `${file} has no role`);
  return found;
}

export function resource(group: string, version: string, plural: string, kind: string, namespaced: boolean): Resource {
  return { group, version, plural, kind, namespaced };
}
