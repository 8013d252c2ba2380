// How does a test run a broker beside a mesh? SPIRE and an API server with Istio's kinds, istiod's objects there, and for
// each revision of istiod its stand-in.
import { stringify } from 'yaml';
import { parseMeshContent } from '../../../src/istio/mesh-content.ts';
import { makeRoot, type Issued } from '../../fakes/fake-ca.ts';
import type { Broker, BrokerFlags } from './broker.ts';
import type { Cleanup } from './cleanup.ts';
import { eventually } from './eventually.ts';
import { applyIstioCrds } from './istio-crds.ts';
import { startIstiod, type Istiod } from './istiod.ts';
import type { KubeApiServer } from './kube-api-server.ts';
import { conditionOf, startKubeSide, type KubeSide, type KubeSideOptions } from './kube-side.ts';
import { recordObject, type ObjectHistory } from './object-history.ts';
import { ISTIO_NAMESPACE, writeMesh } from './write-mesh.ts';

const SHARED = 'istio-federation';
const DEFAULT_REVISION = 'default';

/** Endpoints are asked every second, and what is due is written at once. */
const SOON: BrokerFlags = {
  'refresh-min-seconds': 1,
  'refresh-max-seconds': 1,
  'refresh-default-seconds': 1,
  'fetch-timeout-ms': 1_000,
  'connect-timeout-ms': 1_000,
  'long-poll-seconds': 'off',
  'istio-list-interval-seconds': 0,
  'istio-root-interval-seconds': 0,
  'istio-survey-seconds': 5,
};

export interface MeshSideOptions {
  readonly flags?: BrokerFlags;
  /** Of istiod. Default: one without a name. */
  readonly revisions?: readonly string[];
  /** Default: ConfigMaps of our own. */
  readonly target?: 'shared-config' | 'patch-base';
  readonly kubeconfig?: KubeSideOptions['kubeconfig'];
}

/** One revision of istiod. */
export interface Revision {
  readonly istiod: Istiod;
  /** Of the ConfigMap that the broker writes for it. */
  readonly written: ObjectHistory;
}

export interface MeshSide extends Revision, KubeSide {
  readonly broker: Broker;
  /** What istiod certifies workloads with. */
  readonly meshRoot: Issued;
  /** `istiod` and `written` are those of the first. */
  readonly revisions: readonly Revision[];
  /** The names and the number of PEMs that the broker published. */
  published(): { readonly names: readonly string[]; readonly anchors: number };
  /** Until the condition MeshInjected has this reason; resolves to its message. */
  waitForMesh(name: string, reason: string): Promise<string>;
}

export async function startMeshSide(
  cleanup: Cleanup,
  trustDomain: string,
  { flags, revisions: names = [DEFAULT_REVISION], target = 'shared-config', kubeconfig }: MeshSideOptions = {},
): Promise<MeshSide> {
  const revisions: Revision[] = [];
  const startRevision = async (kube: KubeApiServer, name: string): Promise<void> => {
    const suffix = name === DEFAULT_REVISION ? '' : `-${name}`;
    const sharedMeshConfig = `${SHARED}${suffix}`;
    await writeMesh(kube, `istio${suffix}`, stringify({ trustDomain }));
    await applyObject(kube, istiodDeployment(name, sharedMeshConfig));
    const place = { resource: 'configmaps', namespace: ISTIO_NAMESPACE } as const;
    const writtenName = target === 'patch-base' ? `istio${suffix}` : sharedMeshConfig;
    revisions.push({
      istiod: await startIstiod(cleanup, kube, { sharedMeshConfig, ...(suffix !== '' && { revision: name }) }),
      written: await recordObject(cleanup, kube, { ...place, name: writtenName }),
    });
  };
  const side = await startKubeSide(cleanup, trustDomain, {
    ...(kubeconfig !== undefined && { kubeconfig }),
    flags: { ...SOON, ...flags, istio: target },
    flagsFor: async ({ kube }) => {
      await applyIstioCrds(kube);
      await kube.kubectl(['create', 'namespace', ISTIO_NAMESPACE]);
      for (const name of names) await startRevision(kube, name);
      return { 'istiod-debug-url': new URL(revisions[0]!.istiod.debugMeshUrl).origin };
    },
  });
  const [first] = revisions;
  return {
    ...side,
    ...first!,
    broker: side.replicas[0]!,
    meshRoot: await makeRoot(trustDomain),
    revisions,
    published: () => {
      const { content } = parseMeshContent(first!.written.current()?.data?.['mesh'] ?? '');
      return { names: content.trustDomains, anchors: content.anchors.length };
    },
    waitForMesh: (name, reason) =>
      eventually(
        `the mesh says of ${name}: ${reason}`,
        async () => {
          const object = await side.object(name);
          const condition = object && conditionOf(object, 'MeshInjected');
          if (condition?.reason === reason) return condition.message;
          throw new Error(JSON.stringify(condition));
        },
        { timeoutMs: 30_000, intervalMs: 200 },
      ),
  };
}

export async function applyObject(kube: Pick<KubeApiServer, 'kubectl'>, object: object): Promise<void> {
  await kube.kubectl(['apply', '--server-side', '--filename=-'], { input: JSON.stringify(object) });
}

/** Nobody runs it: it says how its istiod would be set. */
function istiodDeployment(revision: string, sharedMeshConfig: string): object {
  const labels = { app: 'istiod', 'istio.io/rev': revision };
  const env = [
    { name: 'SHARED_MESH_CONFIG', value: sharedMeshConfig },
    { name: 'ISTIO_MULTIROOT_MESH', value: 'true' },
  ];
  const containers = [{ name: 'discovery', image: 'istio/pilot:1.29.6', env }];
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: `istiod-${revision}`, namespace: ISTIO_NAMESPACE, labels },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } },
  };
}
