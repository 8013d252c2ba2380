// With what settings does istiod run? (its Deployments, `app=istiod`; charts of Istio 1.18 to 1.31)
import type { IstiodDeployment } from '../federation/mesh-survey.ts';
import type { KubeObject } from './kube-object.ts';
import { textOf } from './object-fields.ts';
import { containersOf, environmentOf } from './pod-template.ts';
import { podSpecOf } from './workload-object.ts';

export const ISTIOD_LABELS = 'app=istiod';

/** istiod reads them at its start. */
const VARIABLES: ReadonlySet<string> = new Set([
  'SHARED_MESH_CONFIG',
  'ISTIO_MULTIROOT_MESH',
  'PILOT_SKIP_VALIDATE_TRUST_DOMAIN',
  'PILOT_ENABLE_CA_CRL',
]);

export function istiodDeploymentOf(object: KubeObject): IstiodDeployment {
  const { metadata } = object;
  const variables = containersOf(podSpecOf(object))
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
