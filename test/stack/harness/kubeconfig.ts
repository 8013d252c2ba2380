// How does a program find the kube-apiserver of a test, and as whom? (Kubernetes, kubeconfig v1)
import { writeFileSync } from 'node:fs';
import { kubeconfigText, type KubeCredentials } from '../../../src/cli/demo/kubeconfig-text.ts';

/** The parts that this harness writes. */
export interface Kubeconfig {
  readonly clusters: readonly [{ readonly cluster: { server: string; 'certificate-authority-data': string } }];
  readonly users: readonly [{ readonly user: KubeCredentials }];
}

/** `caPem` is what the server is verified with. */
export function writeKubeconfig(path: string, server: string, caPem: string, user: KubeCredentials): string {
  writeFileSync(path, kubeconfigText({ server, caPem, user }), { mode: 0o600 });
  return path;
}

/** What a kubeconfig calls `…-data`. */
export function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
