// Where is the API server, and how do we prove who we are? Asked for every request, so that what rotates is picked up.
import type { ConnectionOptions } from 'node:tls';

/** What one request needs. `tls` decides which pooled connections may carry it. */
export interface Credentials {
  readonly tls: Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'servername'>;
  /** `Authorization` and, when impersonating, `Impersonate-User`. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface ApiAccess {
  /** Always https. */
  readonly server: URL;
  /** Of our pod, or of the kubeconfig's context; undefined when that has none. */
  readonly namespace: string | undefined;
  /** @throws KubeError `KubeConfigInvalid` when a file cannot be read or a credential plugin fails */
  readCredentials(): Promise<Credentials>;
  /** The API server answered 401: nothing of these credentials may come from a cache the next time. */
  forgetCredentials(): void;
}
