// What does a kubeconfig for one user of one API server say? (Kubernetes, kubeconfig v1)

/** A user entry of a kubeconfig. */
export type KubeCredentials =
  | { readonly 'client-certificate-data': string; readonly 'client-key-data': string }
  | { readonly token: string }
  | { readonly tokenFile: string };

export interface KubeAccess {
  readonly server: string;
  /** What the server is verified with. */
  readonly caPem: string;
  readonly user: KubeCredentials;
}

/** JSON is YAML. */
export function kubeconfigText({ server, caPem, user }: KubeAccess): string {
  const cluster = { server, 'certificate-authority-data': Buffer.from(caPem).toString('base64') };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'cluster', cluster }],
    users: [{ name: 'user', user }],
    contexts: [{ name: 'context', context: { cluster: 'cluster', user: 'user' } }],
    'current-context': 'context',
  };
  return JSON.stringify(config, undefined, 2);
}
