// How does a test run a real Kubernetes API server without nodes, crash it, and speak to it as anybody?
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  isKubeApiServerReady,
  kubeApiServerArguments,
  kubeApiServerCertificatePath,
} from '../../../src/cli/demo/control-plane.ts';
import type { KubeCredentials } from '../../../src/cli/demo/kubeconfig-text.ts';
import { programPath } from '../parts.ts';
import { type Child, startChild } from './child-process.ts';
import type { Cleanup } from './cleanup.ts';
import { type Etcd, startEtcd } from './etcd.ts';
import { freePort } from './free-ports.ts';
import { createUserAuthority, type KubeUser } from './kube-users.ts';
import { base64, writeKubeconfig } from './kubeconfig.ts';
import { kubectl } from './kubectl.ts';
import type { RunOptions } from './run-program.ts';
import {
  createServiceAccountKey,
  SERVICE_ACCOUNT_ISSUER,
  type ServiceAccount,
  serviceAccountToken,
} from './service-account-token.ts';
import { tempFolder } from './temp-folder.ts';

export interface KubeApiServerOptions {
  /** Tells several servers of one test apart. Default `kube`. */
  readonly name?: string;
}

/**
 * An API server with RBAC and an etcd of its own. There is no controller-manager: nobody creates `default` service
 * accounts, collects what lost its owner, or empties a namespace that is deleted.
 */
export interface KubeApiServer {
  readonly url: string;
  readonly etcd: Etcd;
  /** PEM: what clients verify the server with. */
  readonly caPem: string;
  /** Of a user who may do everything. */
  readonly kubeconfigPath: string;
  readonly logPath: string;
  /** Logs, data and kubeconfigs; it is removed with the server. */
  readonly folder: string;
  readonly pid: () => number;
  log(): string;
  /** A user of any name and groups, who may do what RBAC says. Resolves to the path of a kubeconfig of their own. */
  userKubeconfig(user: KubeUser): Promise<string>;
  /** The path of a kubeconfig with these credentials, right or wrong; `tokenFile` is a path. */
  kubeconfig(credentials: KubeCredentials): string;
  /**
   * A token as a pod has it, for a service account that exists. The server takes it for a minute longer than it lives,
   * and remembers for up to 10 s that it has taken it: with `lifetimeSeconds` -57 it expires after 3 s to 13 s.
   */
  serviceAccountToken(account: Omit<ServiceAccount, 'uid'>, lifetimeSeconds: number): Promise<string>;
  /** `kubectl <args>` as the user who may do everything. Rejects with what it wrote when it fails. */
  kubectl(args: readonly string[], options?: RunOptions): Promise<string>;
  /** The same with `-o json`, parsed. The caller knows the shape. */
  kubectlJson<T>(args: readonly string[], options?: RunOptions): Promise<T>;
  /**
   * SIGTERM, and SIGKILL when it is still there after `graceMs`, default 5,000: it waits up to a minute for watches to
   * end, and answers nobody new meanwhile. etcd runs on.
   */
  stop(graceMs?: number): Promise<void>;
  /** As a crash would end it. etcd runs on. */
  kill(): Promise<void>;
  /** Starts it again with the same certificate, port and objects, after ending it politely if it runs. */
  restart(): Promise<void>;
  /** SIGSTOP or SIGCONT: it hangs, it goes on. */
  signal(signal: NodeJS.Signals): void;
}

/** It creates its own roles, priority classes and namespaces first, on busy machines slowly. */
const READY_TIMEOUT_MS = 120_000;

/** Resolves when the server answers /readyz. */
export async function startKubeApiServer(
  cleanup: Cleanup,
  { name = 'kube' }: KubeApiServerOptions = {},
): Promise<KubeApiServer> {
  const folder = tempFolder(cleanup, name);
  const users = await createUserAuthority();
  const serviceAccountKey = createServiceAccountKey();
  const file = (fileName: string, text: string): string => {
    const path = join(folder, fileName);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const userCaPath = file('users.pem', users.certificatePem);
  const serviceAccountKeyPath = file(
    'service-accounts.pem',
    serviceAccountKey.export({ type: 'sec1', format: 'pem' }).toString(),
  );
  const etcd = await startEtcd(cleanup, folder);
  const url = `https://127.0.0.1:${await freePort()}`;
  const place = { url, folder };

  const start = (): Promise<Child> =>
    startChild(cleanup, {
      name: `kube-apiserver ${name}`,
      program: programPath('kubernetes', 'kube-apiserver'),
      args: [
        ...kubeApiServerArguments({
          ...place,
          etcdUrl: etcd.url,
          serviceAccountKeyPath,
          serviceAccountIssuer: SERVICE_ACCOUNT_ISSUER,
        }),
        `--client-ca-file=${userCaPath}`,
        // Pods would need the service accounts that only the controller-manager creates.
        '--disable-admission-plugins=ServiceAccount',
      ],
      logPath: join(folder, 'kube-apiserver.log'),
      readyTimeoutMs: READY_TIMEOUT_MS,
      isReady: () => isKubeApiServerReady(place),
    });
  let child = await start();

  const caPem = readFileSync(kubeApiServerCertificatePath(place), 'utf8');
  let kubeconfigs = 0;
  const kubeconfig = (credentials: KubeCredentials): string =>
    writeKubeconfig(join(folder, `kubeconfig-${++kubeconfigs}`), url, caPem, credentials);
  const userKubeconfig = async (user: KubeUser): Promise<string> => {
    const { certificatePem, privateKeyPem } = await users.issue(user);
    return kubeconfig({ 'client-certificate-data': base64(certificatePem), 'client-key-data': base64(privateKeyPem) });
  };
  const kubeconfigPath = await userKubeconfig({ user: 'admin', groups: ['system:masters'] });
  const asAdmin: KubeApiServer['kubectl'] = (args, options) => kubectl(kubeconfigPath, args, options);
  const asAdminJson = async <T>(args: readonly string[], options?: RunOptions): Promise<T> =>
    JSON.parse(await asAdmin([...args, '--output=json'], options)) as T;
  return {
    url,
    etcd,
    caPem,
    kubeconfigPath,
    logPath: child.logPath,
    folder,
    pid: () => child.pid,
    log: () => child.log(),
    userKubeconfig,
    kubeconfig,
    serviceAccountToken: async ({ namespace, name: accountName }, lifetimeSeconds) => {
      const get = ['get', 'serviceaccount', accountName, `--namespace=${namespace}`];
      const { metadata } = await asAdminJson<{ readonly metadata: { readonly uid: string } }>(get);
      const account = { namespace, name: accountName, uid: metadata.uid };
      return serviceAccountToken(serviceAccountKey, account, lifetimeSeconds);
    },
    kubectl: asAdmin,
    kubectlJson: asAdminJson,
    stop: (graceMs) => child.end(graceMs),
    kill: () => child.kill(),
    restart: async () => {
      await child.end();
      child = await start();
    },
    signal: (signal) => {
      child.signal(signal);
    },
  };
}
