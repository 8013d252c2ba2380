// How does a test write a ConfigMap that istiod reads its mesh config from?
import type { KubeApiServer } from './kube-api-server.ts';

/** Where istiod is. */
export const ISTIO_NAMESPACE = 'istio-system';

/** `mesh` is YAML, right or wrong. The namespace must be there. */
export async function writeMesh(kube: KubeApiServer, name: string, mesh: string): Promise<void> {
  const metadata = { name, namespace: ISTIO_NAMESPACE };
  const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { mesh } };
  await kube.kubectl(['apply', '--server-side', '--filename=-'], { input: JSON.stringify(configMap) });
}
