// How does an API server come to know Istio's own kinds? By the CustomResourceDefinitions that Istio ships.
import { ISTIO_CRDS, programPath } from '../parts.ts';
import type { KubeApiServer } from './kube-api-server.ts';

/** Resolves when objects of them can be written. */
export async function applyIstioCrds(kube: KubeApiServer): Promise<void> {
  const file = `--filename=${programPath('istio', ISTIO_CRDS)}`;
  await kube.kubectl(['apply', '--server-side', file]);
  await kube.kubectl(['wait', '--for=condition=Established', '--timeout=60s', file]);
}
