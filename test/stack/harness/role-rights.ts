// How does a test take one right away from the service account of the sidecar, and give it back?
import assert from 'node:assert/strict';
import type { ApiServer } from '../../../src/kubernetes/api-server.ts';
import type { Resource } from '../../../src/kubernetes/kube-object.ts';
import { type Manifest, readManifests } from '../../deploy/manifest.ts';
import type { RightRow } from '../../deploy/right-rows.ts';
import { eventually } from './eventually.ts';

export const NAMESPACE = 'spire-server';
export const ACCOUNT = { namespace: NAMESPACE, name: 'spire-server' };
const ROLES = resource('rbac.authorization.k8s.io', 'v1', 'roles', 'Role', true);
const CLUSTER_ROLES = resource('rbac.authorization.k8s.io', 'v1', 'clusterroles', 'ClusterRole', false);
const ACCESS_REVIEWS = resource('authorization.k8s.io', 'v1', 'subjectaccessreviews', 'SubjectAccessReview', false);

/** Resolves when the API server goes by it. */
export async function setRight(
  admin: ApiServer,
  { file, resource: plural, verb }: Pick<RightRow, 'file' | 'resource' | 'verb'>,
  wanted: 'Given' | 'Taken',
): Promise<void> {
  const { kind, metadata, rules = [] } = roleIn(file);
  const gives = rules.find(({ resources, verbs }) => resources.includes(plural) && verbs.includes(verb));
  assert.ok(gives, `${file} does not give ${verb} of ${plural}`);
  const without = { ...gives, verbs: gives.verbs.filter((each) => each !== verb) };
  const changed = wanted === 'Given' ? rules : rules.map((rule) => (rule === gives ? without : rule));
  const isOfCluster = kind === 'ClusterRole';
  const namespace = isOfCluster ? undefined : (metadata.namespace ?? NAMESPACE);
  const ref = { resource: isOfCluster ? CLUSTER_ROLES : ROLES, name: metadata.name, namespace };
  await admin.mergePatch(ref, { rules: changed.filter(({ verbs }) => verbs.length > 0) });
  const [group, name] = [gives.apiGroups[0], gives.resourceNames?.[0]];
  const [resource, subresource] = plural.split('/');
  const spec = {
    user: `system:serviceaccount:${ACCOUNT.namespace}:${ACCOUNT.name}`,
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
