// Is the resource of a new CustomResourceDefinition there? Asked for until it is: before its status has conditions,
// `kubectl wait` fails at once (measured on Kubernetes 1.36.3).
import { eventually } from './eventually.ts';
import type { KubeApiServer } from './kube-api-server.ts';

/** `resource`: plural and group, as in `beacons.stack.test`. */
export async function untilServed({ kubectl }: Pick<KubeApiServer, 'kubectl'>, resource: string): Promise<void> {
  await eventually(`the API server serves ${resource}`, async () => {
    await kubectl(['get', resource]);
    return true;
  });
}
