// How does a program find the fake API server? By a kubeconfig, as people have it.
import type { FakeApiServer } from './fake-api-server.ts';

/** For a user whom it knows. JSON is YAML. */
export function kubeconfigOf({ ca, port, tokens }: FakeApiServer): string {
  const cluster = {
    server: `https://127.0.0.1:${port}`,
    'certificate-authority-data': Buffer.from(ca.pem).toString('base64'),
  };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'fake', cluster }],
    users: [{ name: 'broker', user: { token: [...tokens.keys()][0] } }],
    contexts: [{ name: 'fake', context: { cluster: 'fake', user: 'broker' } }],
    'current-context': 'fake',
  });
}
