// Which ConfigMaps hold the mesh config of each istiod revision, ours and its own? (Istio: SHARED_MESH_CONFIG)
import type { Fact } from '../federation/facts.ts';
import type { MeshObject, MeshObjectRef } from '../federation/mesh-objects.ts';
import type { IstiodDeployment } from '../federation/mesh-survey.ts';
import type { MeshLimits, SharedMeshConfig } from './mesh-facts.ts';

export interface MeshConfigNames {
  /** Of istiod. */
  readonly istioNamespace: string;
  /** Of ours for the revision `default`. */
  readonly configMap: string;
  /** Undefined: those of istiod's Deployments. */
  readonly revisions: readonly string[] | undefined;
}

/** What Istio calls the revision of an istiod without one. */
const DEFAULT_REVISION = 'default';
/** Of istiod's own mesh config. */
const BASE_NAME = 'istio';

export interface RevisionRefs {
  readonly revision: string;
  /** What we write. */
  readonly ref: MeshObjectRef;
  /** Istiod's own, which wins over ours. */
  readonly base: MeshObjectRef;
}

/** Sorted by revision. While Deployments cannot be read, none but those that the settings name. */
export function revisionRefs(
  { istioNamespace, configMap, revisions }: MeshConfigNames,
  istiods: Fact<readonly IstiodDeployment[]> | undefined,
  target: MeshLimits['target'],
): readonly RevisionRefs[] {
  const found = istiods?.state === 'Known' ? istiods.value.map(({ revision }) => revision) : [];
  return [...new Set(revisions ?? found)].sort().map((revision) => {
    const base = refOfRevision(istioNamespace, BASE_NAME, revision);
    const ref = target === 'PatchBase' ? base : refOfRevision(istioNamespace, configMap, revision);
    return { revision, ref, base };
  });
}

export function sharedMeshConfigs(
  revisions: readonly RevisionRefs[],
  fact: (ref: MeshObjectRef) => Fact<MeshObject | undefined>,
): readonly SharedMeshConfig[] {
  return revisions.map(({ revision, ref, base }) => ({ revision, ref, object: fact(ref), base: fact(base) }));
}

/** `name` is that for the revision `default`. */
export function refOfRevision(namespace: string, name: string, revision: string): MeshObjectRef {
  return { kind: 'ConfigMap', namespace, name: revision === DEFAULT_REVISION ? name : `${name}-${revision}` };
}
