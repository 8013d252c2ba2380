// Into which ConfigMap is mesh config written, and how: one of our own, or istiod's, between the words of others?
import type { MeshObject, MeshObjectContent } from '../federation/mesh-objects.ts';
import { baseTexts } from './base-mesh.ts';
import { MESH_KEY, sameMeshContent, serializeMeshContent } from './mesh-content.ts';
import type { MeshLimits, SharedMeshConfig } from './mesh-facts.ts';
import type { MeshSources } from './mesh-merge.ts';
import type { MeshStep } from './mesh-steps.ts';
import type { MeshVerdict } from './mesh-verdict.ts';
import { guardObject, guardOthersObject, type Guarded, type GuardInput } from './object-guard.ts';
import { patchMeshText, presentIn } from './patch-base.ts';
import {
  contentOf,
  isAsRecorded,
  NOTHING_PUBLISHED,
  readPublished,
  RECORD_ANNOTATION,
  recordOf,
  type Published,
} from './published.ts';

type WriteStep = Extract<MeshStep, { readonly kind: 'ApplyMeshObject' | 'ReplaceMeshKey' }>;
type StepHead = Omit<Extract<MeshStep, { readonly kind: 'ApplyMeshObject' }>, 'kind' | 'takeBack'>;

export interface ConfigTarget {
  readonly guard: (input: Omit<GuardInput, 'isIntact'>) => Guarded;
  /** The record and the text say the same. */
  readonly isAsRecorded: (content: MeshObjectContent) => boolean;
  /** Undefined: others write it in a way that leaves us no place. */
  readonly contentWith: (
    found: MeshObject | undefined,
    before: Published,
    after: Published,
  ) => MeshObjectContent | undefined;
  /** What istiod would read, a pair per revision: with this content, and without anything of ours. */
  readonly sources: (
    content: MeshObjectContent,
    found: MeshObject | undefined,
    shared: readonly SharedMeshConfig[],
  ) => readonly { readonly candidate: MeshSources; readonly without: MeshSources }[];
  /** Undefined: there is nothing to write into. */
  readonly step: (head: StepHead, found: MeshObject | undefined) => WriteStep | undefined;
}

export const CONFIG_TARGETS: Readonly<Record<MeshLimits['target'], ConfigTarget>> = {
  SharedConfigMap: {
    guard: (input) => guardObject({ ...input, isIntact: isAsRecorded }),
    isAsRecorded,
    contentWith: (_found, _before, after) => contentWithText(serializeMeshContent(contentOf(after)), after),
    sources: ({ data }, _found, shared) =>
      baseTexts(shared.map(({ base }) => base)).map((base) => ({
        candidate: { shared: data[MESH_KEY], base },
        without: { shared: undefined, base },
      })),
    step: (head, found) => ({ ...head, kind: 'ApplyMeshObject', takeBack: (found?.otherManagers.length ?? 0) > 0 }),
  },
  PatchBase: {
    guard: (input) => guardOthersObject({ ...input, isIntact: isPatchedAsRecorded }),
    isAsRecorded: isPatchedAsRecorded,
    contentWith: (found, before, after) => {
      const text = patchMeshText(found?.data[MESH_KEY] ?? '', before, after);
      return text === undefined ? undefined : contentWithText(text, after);
    },
    sources: ({ data }, found) => [
      {
        candidate: { shared: undefined, base: data[MESH_KEY] },
        without: { shared: undefined, base: found?.data[MESH_KEY] },
      },
    ],
    step: (head, found) =>
      found && {
        ...head,
        kind: 'ReplaceMeshKey',
        object: found,
        key: MESH_KEY,
        text: head.content.data[MESH_KEY] ?? '',
      },
  },
};

export const NO_PLACE: MeshVerdict = {
  code: 'IstiodWouldIgnore',
  message:
    'the text of mesh config cannot be changed without changing what others wrote: it is no YAML, or its caCertificates stand on one line; write them one item a line',
};

function contentWithText(text: string, published: Published): MeshObjectContent {
  return { data: { [MESH_KEY]: text }, annotations: { [RECORD_ANNOTATION]: recordOf(published) } };
}

/** Of an object without a record nothing is ours. */
function isPatchedAsRecorded(content: MeshObjectContent): boolean {
  const published = readPublished(content) ?? NOTHING_PUBLISHED;
  const record = content.annotations[RECORD_ANNOTATION];
  const isWhole = record === undefined || record === recordOf(published);
  return isWhole && sameMeshContent(presentIn(content.data[MESH_KEY] ?? '', published), contentOf(published));
}
