// What of Istio is on an API server of the demo before the broker starts? istiod's ConfigMap and Deployment, as an operator set them up.
import type { TrustDomain } from '../../bundle/trust-domain.ts';
import type { MeshObjectRef } from '../../federation/mesh-objects.ts';
import { MESH_KEY } from '../../istio/mesh-content.ts';

const ISTIO_NAMESPACE = 'istio-system';
const SHARED_MESH_CONFIG = 'istio-federation';

/** istiod's own, and that of the broker. */
export const MESH_CONFIGS = {
  base: { kind: 'ConfigMap', namespace: ISTIO_NAMESPACE, name: 'istio' },
  shared: { kind: 'ConfigMap', namespace: ISTIO_NAMESPACE, name: SHARED_MESH_CONFIG },
} as const satisfies Readonly<Record<string, MeshObjectRef>>;

/** Of a broker that writes for Istio, and collects nothing: nobody wants to watch that. */
export const ISTIO_FLAGS: Readonly<Record<string, string>> = {
  istio: 'shared-config',
  'istio-namespace': ISTIO_NAMESPACE,
  'istio-config-map': SHARED_MESH_CONFIG,
  'istio-list-interval-seconds': '0',
  'istio-root-interval-seconds': '0',
};

/** One List, in the order in which its items are applied. No pod comes of the Deployment: the broker reads its settings. */
export function istioObjects(trustDomain: TrustDomain): object {
  const labels = { app: 'istiod' };
  const environment = { ISTIO_MULTIROOT_MESH: 'true', SHARED_MESH_CONFIG };
  const env = Object.entries(environment).map(([name, value]) => ({ name, value }));
  const containers = [{ name: 'discovery', image: 'istiod-stand-in', env }];
  return {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: ISTIO_NAMESPACE } },
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { namespace: ISTIO_NAMESPACE, name: MESH_CONFIGS.base.name },
        data: { [MESH_KEY]: `trustDomain: ${trustDomain}\n` },
      },
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { namespace: ISTIO_NAMESPACE, name: 'istiod', labels },
        spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } },
      },
    ],
  };
}
