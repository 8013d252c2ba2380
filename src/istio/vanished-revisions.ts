// Which of our ConfigMaps does no istiod read any more, and may they go? Only what was seen to be gone, for long enough:
// that something cannot be read says nothing.
import type { Fact } from '../federation/facts.ts';
import { meshObjectKey, type MeshObject, type MeshObjectRef } from '../federation/mesh-objects.ts';
import type { IstiodDeployment } from '../federation/mesh-survey.ts';
import type { MeshFacts, MeshLimits } from './mesh-facts.ts';
import type { MeshStep } from './mesh-steps.ts';
import { RECORD_ANNOTATION } from './published.ts';
import { refOfRevision, type MeshConfigNames } from './shared-mesh-configs.ts';

/** The revisions of istiod that were seen, each with the first look since which it is gone; undefined: it is there. */
export type RevisionSightings = ReadonlyMap<string, Date | undefined>;

/** Where the ConfigMap of a revision is that is gone. */
export interface VanishedRevision {
  readonly revision: string;
  readonly ref: MeshObjectRef;
  readonly goneSince: Date;
  /** When it was last seen that it is gone. */
  readonly shownAt: Date;
}

export function noteRevisions(
  before: RevisionSightings,
  istiods: Fact<readonly Pick<IstiodDeployment, 'revision'>[]>,
): RevisionSightings {
  const proven = provenIn(istiods);
  if (proven === undefined) return before;
  const there = new Set(proven.map(({ revision }) => revision));
  const goneSince = (revision: string) => (there.has(revision) ? undefined : (before.get(revision) ?? istiods.at));
  return new Map([...before.keys(), ...there].map((revision) => [revision, goneSince(revision)]));
}

/** None where the settings name the revisions, or while the last look proves nothing. */
export function vanishedRevisions(
  { istioNamespace, configMap, revisions }: MeshConfigNames,
  sightings: RevisionSightings,
  istiods: Fact<readonly IstiodDeployment[]> | undefined,
  target: MeshLimits['target'],
): readonly VanishedRevision[] {
  if (revisions !== undefined || target === 'PatchBase') return [];
  const proven = provenIn(istiods);
  if (istiods === undefined || proven === undefined) return [];
  return [...sightings].flatMap(([revision, goneSince]) => {
    if (goneSince === undefined) return [];
    const ref = refOfRevision(istioNamespace, configMap, revision);
    const mayBeRead = proven.some((istiod) => mayRead(istiod, ref));
    return mayBeRead ? [] : [{ revision, ref, goneSince, shownAt: istiods.at }];
  });
}

/** Where no istiod at all is seen, one is installed anew, or it is looked for in the wrong place. */
function provenIn<T>(istiods: Fact<readonly T[]> | undefined): readonly T[] | undefined {
  return istiods?.state === 'Known' && istiods.value.length > 0 ? istiods.value : undefined;
}

/** Another revision may be set to read this very ConfigMap. */
function mayRead({ environment, unreadVariables }: IstiodDeployment, { name }: MeshObjectRef): boolean {
  return environment['SHARED_MESH_CONFIG'] === name || unreadVariables.includes('SHARED_MESH_CONFIG');
}

/** For whom the ConfigMap has names and roots does not matter: nobody reads it. */
export function planVanished(
  { vanished, shared, ownTrustDomain }: Pick<MeshFacts, 'vanished' | 'shared' | 'ownTrustDomain'>,
  { vanishedAfterMs }: Pick<MeshLimits, 'vanishedAfterMs'>,
): readonly MeshStep[] {
  if (vanishedAfterMs === undefined) return [];
  const read = new Set(shared.map(({ ref }) => meshObjectKey(ref)));
  return vanished.flatMap(({ revision, ref, goneSince, shownAt, object }) => {
    const found = object.state === 'Known' ? object.value : undefined;
    if (found === undefined || !isOursAlone(found, ownTrustDomain) || read.has(meshObjectKey(ref))) return [];
    if (shownAt.getTime() - goneSince.getTime() < vanishedAfterMs) return [];
    const head = { ref, trustDomains: [], changesList: false, changesRoots: false };
    const why = `revision ${revision} of istiod is gone, and no other reads this`;
    return [{ kind: 'DeleteMeshObject', ...head, uid: found.uid, why } as const];
  });
}

/** Whoever changed it may need it. One that does not say whose it is may be another broker's. */
function isOursAlone({ ours, brokerOf, annotations, otherManagers }: MeshObject, own: string): boolean {
  return ours && brokerOf === own && RECORD_ANNOTATION in annotations && otherManagers.length === 0;
}
