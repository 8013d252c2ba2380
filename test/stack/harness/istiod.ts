// What does istiod make of its ConfigMaps, and when do its proxies hear of it? A stand-in, by what was measured on istiod 1.29.6
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Cleanup } from './cleanup.ts';
import { followObject } from './follow-object.ts';
import type { KubeApiServer } from './kube-api-server.ts';
import { inboundSanPrefixes, isSameConfig, mergeMeshConfig, type MergedMesh, type MeshSources } from './mesh-config.ts';
import { TrustAnchorError, verifiedAnchors } from './trust-anchors.ts';
import { ISTIO_NAMESPACE } from './write-mesh.ts';

/** istiod waits this long for more of the same before it pushes (PILOT_DEBOUNCE_AFTER). */
const DEBOUNCE_MS = 100;

export interface IstiodOptions {
  /** `istio-<revision>` is its base ConfigMap; default `istio`. */
  readonly revision?: string;
  /** SHARED_MESH_CONFIG: the name of the second ConfigMap. */
  readonly sharedMeshConfig: string;
  /** ISTIO_MULTIROOT_MESH; default true. Without it no proxy hears of a PEM. */
  readonly isMultiRoot?: boolean;
}

/** What istiod tells its proxies. */
export interface Push {
  /** For the inbound listeners, LDS. */
  readonly sanPrefixes: readonly string[];
  /** PEM texts for the agents, PCDS; undefined without the multi-root flag: they keep what they have. */
  readonly trustAnchors: readonly string[] | undefined;
}

export interface Istiod {
  readonly kube: KubeApiServer;
  /** Answers GET with the merged mesh config, also with PEMs that were refused. */
  readonly debugMeshUrl: string;
  /** What it complained about since its start. */
  readonly log: () => readonly string[];
  readonly pushes: () => number;
  readonly current: () => Push;
  /** At once, and after every push until the cleanup. */
  connect(cleanup: Cleanup, proxy: (push: Push) => void): void;
  /** As a new pod, with the objects as they are. Throws when it would not start; its proxies keep what they have. */
  restart(): void;
}

/** The namespace `istio-system` must be there. Rejects with {@link TrustAnchorError} when istiod would not start. */
export async function startIstiod(
  cleanup: Cleanup,
  kube: KubeApiServer,
  { revision, sharedMeshConfig, isMultiRoot = true }: IstiodOptions,
): Promise<Istiod> {
  const sources: { -readonly [name in keyof MeshSources]: MeshSources[name] } = {};
  const proxies = new Set<(push: Push) => void>();
  const log: string[] = [];
  let pushes = 0;
  let merged: MergedMesh | undefined;
  let anchors: readonly string[] = [];
  let push: Push | undefined;
  let debounce: NodeJS.Timeout | undefined;

  const merge = (): MergedMesh => {
    const result = mergeMeshConfig(sources);
    log.push(...result.complaints);
    return result;
  };
  const toPush = (now: MergedMesh): Push => ({
    sanPrefixes: inboundSanPrefixes(now.config),
    trustAnchors: isMultiRoot ? anchors : undefined,
  });
  const start = (): void => {
    const now = merge();
    if (isMultiRoot) anchors = verifiedAnchors(now.config);
    merged = now;
    push = toPush(now);
  };
  const onChange = (): void => {
    if (merged === undefined) return;
    const now = merge();
    if (isSameConfig(now.config, merged.config)) return;
    merged = now;
    if (isMultiRoot) {
      try {
        anchors = verifiedAnchors(now.config);
      } catch (error) {
        if (!(error instanceof TrustAnchorError)) throw error;
        log.push(`trustBundle failed to update meshConfig PEM trustAnchors: ${error.message}`);
      }
    }
    clearTimeout(debounce);
    debounce = setTimeout(() => {
      pushes++;
      push = toPush(now);
      for (const proxy of proxies) proxy(push);
    }, DEBOUNCE_MS);
  };
  const follow = (source: keyof MeshSources, name: string): Promise<void> =>
    followObject(
      cleanup,
      kube.kubeconfigPath,
      { resource: 'configmaps', namespace: ISTIO_NAMESPACE, name },
      (configMap) => {
        sources[source] = configMap?.data?.['mesh'];
        onChange();
      },
    );
  await follow('base', revision === undefined ? 'istio' : `istio-${revision}`);
  await follow('shared', sharedMeshConfig);
  cleanup.add(() => {
    clearTimeout(debounce);
  });
  start();
  const debugUrl = await serveDebug(cleanup, () => merged?.config);
  return {
    kube,
    debugMeshUrl: `${debugUrl}/debug/mesh`,
    log: () => log,
    pushes: () => pushes,
    current: () => push!,
    connect: (proxyCleanup, proxy) => {
      proxies.add(proxy);
      proxyCleanup.add(() => {
        proxies.delete(proxy);
      });
      proxy(push!);
    },
    restart: () => {
      clearTimeout(debounce);
      log.length = 0;
      merged = undefined;
      anchors = [];
      try {
        start();
      } catch (error) {
        throw new Error(`failed to create discovery service: ${String(error)}`, { cause: error });
      }
      for (const proxy of proxies) proxy(push!);
    },
  };
}

/** Nobody is asked who they are, as at istiod's port 8080. Resolves to the URL without a path. */
async function serveDebug(cleanup: Cleanup, mesh: () => object | undefined): Promise<string> {
  const server = createServer((request, response) => {
    const config = mesh();
    if (request.url !== '/debug/mesh') response.writeHead(404).end();
    else if (config === undefined) response.destroy();
    else
      response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify(config, undefined, 4)}\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanup.add(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
