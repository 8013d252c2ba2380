// How does a program find the fake API server? By a kubeconfig, as people have it.
import { kubeconfigText } from '../../src/cli/demo/kubeconfig-text.ts';
import type { FakeApiServer } from './fake-api-server.ts';

/** For a user whom it knows. */
export function kubeconfigOf({ ca, port, tokens }: FakeApiServer): string {
  const [token = ''] = tokens.keys();
  return kubeconfigText({ server: `https://127.0.0.1:${port}`, caPem: ca.pem, user: { token } });
}
