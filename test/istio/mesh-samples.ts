// What do the tests of preflight and lint start from? A mesh in which everything is as it should be.
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { known, unreadable, type Fact } from '../../src/federation/facts.ts';
import type { MeshObject } from '../../src/federation/mesh-objects.ts';
import {
  POLICY_SOURCE_FIELDS,
  type AuthorizationPolicy,
  type IstiodDeployment,
  type MeshSurvey,
  type PolicySource,
} from '../../src/federation/mesh-survey.ts';
import type { RevisionConfig } from '../../src/istio/preflight-check.ts';

const NOW = new Date('2040-01-01T00:00:00Z');
export const OURS = parseTrustDomain('ours.test');
export const WEST = parseTrustDomain('west.test');

export function fact<T>(value: T): Fact<T> {
  return known(value, NOW);
}

export const FORBIDDEN = unreadable({ code: 'KubeForbidden', message: 'grant verb "list"' }, NOW);

export function istiodOf(changes: Partial<IstiodDeployment> = {}): IstiodDeployment {
  const environment = { SHARED_MESH_CONFIG: 'istio-federation', ISTIO_MULTIROOT_MESH: 'true' };
  return { name: 'istiod', revision: 'default', environment, unreadVariables: [], ...changes };
}

export function baseOf(mesh: string): Fact<MeshObject> {
  const place = { kind: 'ConfigMap', namespace: 'istio-system', name: 'istio' } as const;
  const meta = { uid: 'u', resourceVersion: '1', ours: false, brokerOf: undefined, annotations: {}, otherManagers: [] };
  return fact({ ...place, ...meta, data: { mesh } });
}

export function revisionOf(changes: Partial<RevisionConfig> = {}): RevisionConfig {
  return {
    revision: 'default',
    ref: { kind: 'ConfigMap', namespace: 'istio-system', name: 'istio-federation' },
    base: baseOf(`trustDomain: ${OURS}\n`),
    ...changes,
  };
}

export function surveyOf(changes: Partial<MeshSurvey> = {}): MeshSurvey {
  return {
    istiods: fact([istiodOf()]),
    proxies: fact({ certifiedBySpire: 2, certifiedByIstiod: 2, takingMeshRoots: 2, notTakingMeshRoots: [] }),
    ambientNamespaces: fact([]),
    spireAgent: fact({
      defaultBundleName: 'null',
      defaultAllBundlesName: 'ROOTCA',
      spiffeValidationDisabled: false,
    }),
    authorizationPolicies: fact([]),
    gateways: fact([]),
    serviceEntries: fact([]),
    destinationRules: fact([]),
    gatewayApi: undefined,
    ...changes,
  };
}

export function sourceOf(lists: Partial<PolicySource>): PolicySource {
  const none = Object.fromEntries(POLICY_SOURCE_FIELDS.map((field) => [field, []])) as unknown as PolicySource;
  return { ...none, ...lists };
}

/** One with a rule a source. */
export function policyOf(
  action: string,
  sources: readonly Partial<PolicySource>[],
  changes: Partial<AuthorizationPolicy> = {},
): AuthorizationPolicy {
  const rules = sources.map((source) => {
    return { sources: [sourceOf(source)], conditions: [], isAboutIdentitiesAlone: true };
  });
  return { namespace: 'shop', name: 'cart', action, isSelective: false, rules, ...changes };
}
