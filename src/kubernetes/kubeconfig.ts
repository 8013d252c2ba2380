// Which API server does a kubeconfig name, and as whom? The only file that loads @kubernetes/client-node.
import type { RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import type { ApiAccess, Credentials } from './api-access.ts';
import { KubeError } from './kube-error.ts';

export interface KubeconfigFile {
  readonly path: string;
  /** By default its `current-context`. */
  readonly context?: string;
}

/**
 * Certificates, tokens, basic, exec and OIDC users as client-node knows them. The file is read again after a 401.
 *
 * @throws KubeError `KubeConfigInvalid`
 */
export async function kubeconfigAccess(file: KubeconfigFile): Promise<ApiAccess> {
  let config = await load(file);
  const server = serverOf(config, file);
  let forgotten = false;
  return {
    server,
    namespace: config.getContextObject(config.getCurrentContext())?.namespace,
    async readCredentials() {
      if (forgotten) {
        config = await load(file);
        forgotten = false;
      }
      return credentialsOf(config, file);
    },
    forgetCredentials() {
      forgotten = true;
    },
  };
}

/** Loaded on demand, and `config.js` alone: a pod needs neither it nor the generated client (docs/dependencies.md). */
async function load({ path, context }: KubeconfigFile): Promise<KubeConfig> {
  const { KubeConfig: Config } = await import('@kubernetes/client-node/dist/config.js').catch((cause: unknown) => {
    const message = 'what reads a kubeconfig is not there: install fedbroker-kubeconfig.mjs beside fedbroker.mjs';
    throw new KubeError('KubeConfigInvalid', message, { cause });
  });
  const config = new Config();
  try {
    config.loadFromFile(path);
  } catch (error) {
    // A YAML error quotes the line it stumbles on, which can be a token: neither it nor a cause is passed on.
    const { code } = error as { readonly code?: unknown };
    throw invalid({ path }, typeof code === 'string' ? `it cannot be read (${code})` : 'it is not a kubeconfig');
  }
  if (context !== undefined) config.setCurrentContext(context);
  return config;
}

/** client-node would send a token in the clear, and to whoever answers: neither is accepted. */
function serverOf(config: KubeConfig, file: KubeconfigFile): URL {
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    const known = config
      .getContexts()
      .map(({ name }) => name)
      .slice(0, 10);
    throw invalid(
      file,
      `context "${config.getCurrentContext()}" names no cluster; it has ${known.join(', ') || 'none'}`,
    );
  }
  if (config.getCurrentUser() === null) throw invalid(file, 'the context names no user');
  if (!URL.canParse(cluster.server)) throw invalid(file, 'the address of its cluster is not a URL');
  const server = new URL(cluster.server);
  if (server.protocol !== 'https:') throw invalid(file, `its cluster is not reached by https: ${server.origin}`);
  if (cluster.skipTLSVerify) {
    throw invalid(file, 'insecure-skip-tls-verify is not accepted; give certificate-authority-data instead');
  }
  if (cluster.proxyUrl !== undefined) throw invalid(file, 'proxy-url is not supported');
  return server;
}

async function credentialsOf(config: KubeConfig, file: KubeconfigFile): Promise<Credentials> {
  const options: RequestOptions = {};
  try {
    await config.applyToHTTPSOptions(options);
  } catch (error) {
    // What a credential plugin printed can be a credential.
    const { code } = error as { readonly code?: unknown };
    const why = typeof code === 'string' ? ` (${code})` : '';
    throw invalid(file, `its user's credentials cannot be read${why}; see why with "kubectl get --raw /version"`);
  }
  const { ca, cert, key, servername, auth, headers } = options;
  const basic = typeof auth === 'string' ? { authorization: `Basic ${Buffer.from(auth).toString('base64')}` } : {};
  // client-node knows no tokenFile, and would go on as nobody.
  const sent = { ...basic, ...(headers as Record<string, string> | undefined) };
  if (cert === undefined && Object.keys(sent).length === 0) {
    throw invalid(file, 'its user has no credentials that can be used here; tokenFile is not supported, token is');
  }
  return {
    tls: {
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ...(servername !== undefined && { servername }),
    },
    headers: sent,
  };
}

function invalid({ path }: Pick<KubeconfigFile, 'path'>, fault: string): KubeError {
  return new KubeError('KubeConfigInvalid', `kubeconfig ${path}: ${fault}`);
}
