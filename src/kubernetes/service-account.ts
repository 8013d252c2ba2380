// How does a pod reach its API server? (the projected service account volume; its token rotates about every hour)
import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import type { ApiAccess } from './api-access.ts';
import { KubeError } from './kube-error.ts';

export interface ServiceAccount {
  /** `KUBERNETES_SERVICE_HOST`. */
  readonly host: string;
  /** `KUBERNETES_SERVICE_PORT`. */
  readonly port: number;
  /** Holds `token`, `ca.crt` and, where there is one, `namespace`. */
  readonly directory: string;
}

/**
 * Token and CA are read for every request: they are small, requests are few, and a rotated token or CA needs no watching.
 *
 * @throws KubeError `KubeConfigInvalid`
 */
export async function serviceAccountAccess(account: ServiceAccount): Promise<ApiAccess> {
  const { host, port, directory } = account;
  const address = `https://${isIPv6(host) ? `[${host}]` : host}:${port}`;
  if (!URL.canParse(address)) {
    throw new KubeError('KubeConfigInvalid', `${JSON.stringify(address)} is not the address of an API server`);
  }
  const access: ApiAccess = {
    server: new URL(address),
    async readCredentials() {
      const [ca, token] = await Promise.all([read(join(directory, 'ca.crt')), read(join(directory, 'token'))]);
      return { tls: { ca: [ca] }, headers: { authorization: `Bearer ${token.trim()}` } };
    },
    forgetCredentials: () => undefined,
    namespace: await readFile(join(directory, 'namespace'), 'utf8').then(
      (text) => text.trim() || undefined,
      () => undefined,
    ),
  };
  await access.readCredentials();
  return access;
}

/** An empty CA file would mean the public roots to Node, and an empty token an anonymous request. */
async function read(path: string): Promise<string> {
  const advice = 'is the service account token mounted (automountServiceAccountToken)?';
  try {
    const text = await readFile(path, 'utf8');
    if (text.trim() !== '') return text;
  } catch (cause) {
    throw new KubeError('KubeConfigInvalid', `${path} cannot be read; ${advice}`, { cause });
  }
  throw new KubeError('KubeConfigInvalid', `${path} is empty; ${advice}`);
}
