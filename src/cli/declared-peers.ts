// Which peers are declared now? For commands that look once: in files or as objects, as the settings say.
import type { BrokerParts } from '../broker/broker-parts.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Config } from '../config.ts';
import type { Declarations } from '../federation/facts.ts';
import { readBootstrapObject } from '../kubernetes/bootstrap-object.ts';
import { peerInForce } from '../kubernetes/declared-object.ts';
import { judgeObjects, NO_MEMORY } from '../kubernetes/judge-objects.ts';
import { PEER_TRUST_DOMAIN } from '../kubernetes/peer-trust-domain.ts';
import { clusterParts } from './cluster-parts.ts';
import { meshParts } from './mesh-parts.ts';
import { openKubernetes } from './open-kubernetes.ts';
import { peerDirectory, readBootstrap } from './wiring.ts';

export interface DeclaredPeers extends Pick<BrokerParts, 'readBootstrap' | 'cluster' | 'mesh'> {
  readonly declarations: Declarations;
  /** What does not count and why, each on one line. */
  readonly faults: readonly string[];
  /** Where an operator finds them: completes "declared …". */
  readonly where: string;
  readonly close: () => void;
}

/** Rejects with `PeerDirectoryError` or `KubeError` when nothing can be read. */
export function readDeclaredPeers(config: Config, own: TrustDomain, signal: AbortSignal): Promise<DeclaredPeers> {
  return config.kubernetes === 'off' ? readFiles(config, own, signal) : readObjects(config, own, signal);
}

async function readFiles(config: Config, own: TrustDomain, signal: AbortSignal): Promise<DeclaredPeers> {
  const declarations = await peerDirectory(config, own).read(signal);
  return {
    declarations,
    faults: declarations.faults.map(
      ({ file, line, column, path, message }) =>
        `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}`,
    ),
    where: `in ${config.peersDirectory}`,
    readBootstrap: (peer) => readBootstrap(peer),
    close: () => undefined,
  };
}

async function readObjects(config: Config, own: TrustDomain, signal: AbortSignal): Promise<DeclaredPeers> {
  const api = await openKubernetes(config);
  const onFault = (error: unknown): never => {
    throw error;
  };
  try {
    const mesh = meshParts(api, {
      config,
      trustDomain: own,
      namespace: config.kubernetesNamespace ?? api.namespace ?? 'default',
      onFault,
    });
    const { items } = await api.list({ resource: PEER_TRUST_DOMAIN }, { signal });
    const { objects, declarations } = judgeObjects(items, NO_MEMORY, own);
    return {
      declarations: {
        ...declarations,
        // A new one too: the broker puts its finalizer on it and then does what is planned here.
        peers: objects.flatMap((declared) => (declared.deleting ? [] : (peerInForce(declared) ?? []))),
      },
      faults: objects.flatMap(({ object, state }) =>
        state.kind === 'InForce' ? [] : [`PeerTrustDomain ${object.metadata.name}: ${state.reason}: ${state.message}`],
      ),
      where: 'by a PeerTrustDomain object',
      readBootstrap: (peer) => readBootstrap(peer, (source) => readBootstrapObject(api, source, signal)),
      cluster: clusterParts(api, { config, trustDomain: own, onFault }),
      ...(mesh !== undefined && { mesh }),
      close: () => {
        api.close();
      },
    };
  } catch (error) {
    api.close();
    throw error;
  }
}
