// How does a program find the kube-apiserver of a test, and as whom? (Kubernetes, kubeconfig v1)
import { writeFileSync } from 'node:fs';

/** A user entry of a kubeconfig. */
export type KubeCredentials =
  | { readonly 'client-certificate-data': string; readonly 'client-key-data': string }
  | { readonly token: string }
  | { readonly tokenFile: string };

/** The parts that this harness writes. */
export interface Kubeconfig {
  readonly clusters: readonly [{ readonly cluster: { server: string; 'certificate-authority-data': string } }];
  readonly users: readonly [{ readonly user: KubeCredentials }];
}

/** JSON is YAML. `caPem` is what the server is verified with. */
export function writeKubeconfig(path: string, server: string, caPem: string, user: KubeCredentials): string {
  const cluster = { server, 'certificate-authority-data': base64(caPem) };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'stack', cluster }],
    users: [{ name: 'user', user }],
    contexts: [{ name: 'stack', context: { cluster: 'stack', user: 'user' } }],
    'current-context': 'stack',
  };
  writeFileSync(path, JSON.stringify(config, undefined, 2), { mode: 0o600 });
  return path;
}

/** What a kubeconfig calls `…-data`. */
export function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
