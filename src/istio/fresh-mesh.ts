// What would be written into a mesh that has nothing of ours yet? For those who write it themselves.
import type { Bundle } from '../bundle/bundle.ts';
import { RootIndexer } from '../bundle/known-roots.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { known, type Declarations } from '../federation/facts.ts';
import { meshObjectKey, type MeshObjectContent, type MeshObjectRef } from '../federation/mesh-objects.ts';
import { refOf } from './gateway-ca-content.ts';
import { MESH_KEY, parseMeshContent, type MeshContent } from './mesh-content.ts';
import { EMPTY_MEMORY } from './mesh-memory.ts';
import { planMesh, type MeshPeerPlan } from './plan-mesh.ts';

export interface FreshMeshInput {
  readonly now: Date;
  readonly ownBundle: Bundle;
  readonly declarations: Declarations;
  /** What SPIRE holds. */
  readonly stored: ReadonlyMap<TrustDomain, Bundle>;
  /** Of the ConfigMap of mesh config. */
  readonly ref: MeshObjectRef;
  /** Where CA ConfigMaps for gateways are. */
  readonly namespace: string;
}

export interface FreshMesh {
  readonly content: MeshContent;
  /** CA objects for gateways. */
  readonly gatewayCas: readonly { readonly ref: MeshObjectRef; readonly content: MeshObjectContent }[];
  readonly peers: readonly MeshPeerPlan[];
}

export function freshMesh(input: FreshMeshInput): FreshMesh {
  const { now, ownBundle, declarations, stored, ref, namespace } = input;
  const absent = known(undefined, now);
  const refs = declarations.peers.flatMap(({ mesh }) => (mesh?.gatewayCas ?? []).map((ca) => refOf(ca, namespace)));
  const plan = planMesh(
    {
      now,
      ownTrustDomain: ownBundle.trustDomain,
      ownBundle: known(ownBundle, now),
      declared: known(declarations, now),
      stored: known(stored, now),
      knownRoots: new RootIndexer().index(ownBundle, [...stored.values()]),
      revoked: new Set(),
      shared: [{ revision: 'default', ref, object: absent, base: undefined }],
      vanished: [],
      gatewayCas: new Map(refs.map((each) => [meshObjectKey(each), absent])),
      referencedCas: known(new Set<string>(), now),
      meshRoots: known([], now),
      barred: new Map(),
      memory: EMPTY_MEMORY,
    },
    {
      ...{ namespace, target: 'SharedConfigMap', listIntervalMs: 0, rootIntervalMs: 0 },
      ...{ isListWindowOpen: true, maxFlips: 0, flipWindowMs: 0 },
    },
  );
  const written = plan.steps.flatMap((step) => (step.kind === 'ApplyMeshObject' ? [step] : []));
  const isShared = (each: MeshObjectRef) => meshObjectKey(each) === meshObjectKey(ref);
  const text = written.find((step) => isShared(step.ref))?.content.data[MESH_KEY] ?? '';
  return {
    content: parseMeshContent(text).content,
    gatewayCas: written.filter((step) => !isShared(step.ref)),
    peers: plan.peers,
  };
}
