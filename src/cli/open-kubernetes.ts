// Which API server holds the declarations? As the settings say, found out before anything else is done.
import type { Config } from '../config.ts';
import { systemClock } from '../federation/clock.ts';
import { openApiServer, type ApiServer } from '../kubernetes/api-server.ts';

/** @throws KubeError `KubeConfigInvalid` */
export function openKubernetes(config: Config): Promise<ApiServer> {
  const { kubernetes, kubeconfig: path, kubeconfigContext: context, apiServerAddress, kubernetesTimeoutMs } = config;
  const file = path === undefined ? undefined : { path, ...(context !== undefined && { context }) };
  const access = kubernetes === 'kubeconfig' ? file : apiServerAddress;
  return openApiServer({ access, clock: systemClock, timeoutMs: kubernetesTimeoutMs });
}
