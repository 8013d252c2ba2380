// Who certifies the proxies of a mesh, and which of them take roots from mesh config? One look at every pod, of which
// nothing is kept.
import type { ProxyCounts } from '../federation/mesh-survey.ts';
import type { ApiServer } from './api-server.ts';
import type { KubeObject, Resource } from './kube-object.ts';
import { fieldsOf } from './object-fields.ts';
import { containersOf, environmentOf, volumeAt } from './pod-template.ts';

export const PODS: Resource = { group: '', version: 'v1', plural: 'pods', kind: 'Pod', namespaced: true };

/** On namespaces and on pods. */
export const AMBIENT_LABEL = 'istio.io/dataplane-mode';

const NOT_ENDED = 'status.phase!=Succeeded,status.phase!=Failed';

/** A pod with a proxy has about 12 KB; so many are read at a time. */
const PAGE_OBJECTS = 100;

/** Enough to know whom to ask. */
const MAX_EXAMPLES = 3;

/** Where pilot-agent looks for SPIRE's socket. Istio's own injection mounts an empty directory there. */
const SPIRE_SOCKET_MOUNT = /^(\/var)?\/run\/secrets\/workload-spiffe-uds\/?$/;

/** As Go reads a truth value. */
const TRUE = /^(1|t|T|true|TRUE|True)$/;

export interface PodsSeen {
  readonly proxies: ProxyCounts;
  /** Namespaces with pods that are ambient by their own label. */
  readonly ambientNamespaces: ReadonlySet<string>;
}

type ProxyKind = 'CertifiedBySpire' | 'TakesMeshRoots' | 'TakesNoMeshRoots';

export async function readPods(api: Pick<ApiServer, 'pages'>, signal: AbortSignal): Promise<PodsSeen> {
  const counts: Record<ProxyKind, number> = { CertifiedBySpire: 0, TakesMeshRoots: 0, TakesNoMeshRoots: 0 };
  const examples: string[] = [];
  const ambientNamespaces = new Set<string>();
  const selection = { resource: PODS, fieldSelector: NOT_ENDED };
  for await (const pods of api.pages(selection, { signal, pageObjects: PAGE_OBJECTS })) {
    for (const pod of pods) {
      const { name, namespace = '', labels = {} } = pod.metadata;
      if (labels[AMBIENT_LABEL] === 'ambient') ambientNamespaces.add(namespace);
      const kind = proxyKindOf(pod);
      if (kind !== undefined) counts[kind] += 1;
      if (kind === 'TakesNoMeshRoots' && examples.length < MAX_EXAMPLES) examples.push(`${namespace}/${name}`);
    }
  }
  const proxies = {
    certifiedBySpire: counts.CertifiedBySpire,
    certifiedByIstiod: counts.TakesMeshRoots + counts.TakesNoMeshRoots,
    takingMeshRoots: counts.TakesMeshRoots,
    notTakingMeshRoots: examples,
  };
  return { proxies, ambientNamespaces };
}

/** Undefined: it has no Envoy of the mesh. */
function proxyKindOf({ metadata: { labels = {} }, spec }: KubeObject): ProxyKind | undefined {
  const proxy = containersOf(spec).find(({ name }) => name === 'istio-proxy');
  // Its container has that name too.
  if (proxy === undefined || labels['app'] === 'ztunnel') return undefined;
  const volume = volumeAt(spec, proxy, SPIRE_SOCKET_MOUNT);
  if (volume !== undefined && isForeign(volume)) return 'CertifiedBySpire';
  const takesRoots = environmentOf(proxy).some(
    ({ name, value }) => name === 'PROXY_CONFIG_XDS_AGENT' && TRUE.test(value ?? ''),
  );
  return takesRoots ? 'TakesMeshRoots' : 'TakesNoMeshRoots';
}

/** Something from outside the pod is mounted: SPIRE's CSI driver, or a directory of the node. */
function isForeign(volume: Readonly<Record<string, unknown>>): boolean {
  return fieldsOf(volume['csi'])['driver'] === 'csi.spiffe.io' || volume['hostPath'] !== undefined;
}
