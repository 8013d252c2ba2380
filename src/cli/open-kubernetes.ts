// Which API server holds the declarations? As the settings say, found out before anything else is done.
import type { Config } from '../config.ts';
import { systemClock } from '../federation/clock.ts';
import { openApiServer, type ApiServer } from '../kubernetes/api-server.ts';

/** @throws KubeError `KubeConfigInvalid` */
export function openKubernetes(config: Config): Promise<ApiServer> {
  const { kubernetes, kubeconfig: path, kubeconfigContext: context, kubernetesTimeoutMs } = config;
  const { apiServerAddress: address, serviceAccountDirectory: directory } = config;
  const file = path === undefined ? undefined : { path, ...(context !== undefined && { context }) };
  const account = address === undefined ? undefined : { ...address, directory };
  const access = kubernetes === 'kubeconfig' ? file : account;
  return openApiServer({ access, clock: systemClock, timeoutMs: kubernetesTimeoutMs });
}
