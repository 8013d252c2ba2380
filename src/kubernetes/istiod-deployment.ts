// With what settings does istiod run? (its Deployments, `app=istiod`; charts of Istio 1.18 to 1.31)
import type { IstiodDeployment } from '../federation/mesh-survey.ts';
import type { KubeObject, Resource } from './kube-object.ts';
import { fieldsOf, textOf } from './object-fields.ts';
import { containersOf, environmentOf } from './pod-template.ts';

export const DEPLOYMENTS: Resource = {
  group: 'apps',
  version: 'v1',
  plural: 'deployments',
  kind: 'Deployment',
  namespaced: true,
};

export const ISTIOD_LABELS = 'app=istiod';

/** istiod reads them at its start. */
const VARIABLES: ReadonlySet<string> = new Set([
  'SHARED_MESH_CONFIG',
  'ISTIO_MULTIROOT_MESH',
  'PILOT_SKIP_VALIDATE_TRUST_DOMAIN',
  'PILOT_ENABLE_CA_CRL',
]);

export function istiodDeploymentOf({ metadata, ...object }: KubeObject): IstiodDeployment {
  const template = fieldsOf(fieldsOf(object['spec'])['template']);
  const variables = containersOf(template['spec'])
    .flatMap(environmentOf)
    .filter(({ name }) => VARIABLES.has(name));
  return {
    name: metadata.name,
    revision: textOf(metadata.labels?.['istio.io/rev']) ?? 'default',
    environment: Object.fromEntries(
      variables.flatMap(({ name, value }): [string, string][] => (value === undefined ? [] : [[name, value]])),
    ),
    unreadVariables: variables.flatMap(({ name, value }) => (value === undefined ? [name] : [])),
  };
}
