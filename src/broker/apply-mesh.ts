// How does a plan for the mesh become true? Object by object through the port, one outcome each.
import type { MeshObject, MeshObjectRef, MeshObjects } from '../federation/mesh-objects.ts';
import type { MeshStepOutcome } from '../istio/mesh-memory.ts';
import type { MeshStep } from '../istio/mesh-steps.ts';
import { meshChangeOf } from './audit-mesh.ts';
import { runRecordedOnce } from './audited.ts';
import type { Auditor } from './auditor.ts';
import { codedError } from './coded.ts';

export interface ApplyMeshParts {
  readonly objects: Omit<MeshObjects, 'watch' | 'listOurs'>;
  /** What the API server answered after a write: the object now, or undefined for a deleted one. */
  readonly noteObject: (ref: MeshObjectRef, object: MeshObject | undefined) => void;
  /** Undefined: nothing is recorded. */
  readonly auditor: Auditor | undefined;
  readonly mayWrite: () => boolean;
  readonly signal: AbortSignal;
}

/** Never throws: a step that fails is an outcome, and no other step depends on it. */
export async function applyMeshSteps(steps: readonly MeshStep[], parts: ApplyMeshParts): Promise<MeshStepOutcome[]> {
  const outcomes: MeshStepOutcome[] = [];
  for (const step of steps) {
    if (parts.signal.aborted || !parts.mayWrite()) break;
    try {
      const object = await runRecordedOnce(meshChangeOf(step), parts.auditor, () => runStep(step, parts));
      parts.noteObject(step.ref, object);
      outcomes.push({ step, error: undefined });
    } catch (error) {
      outcomes.push({ step, error: codedError(error) });
    }
  }
  return outcomes;
}

async function runStep(step: MeshStep, { objects, signal }: ApplyMeshParts): Promise<MeshObject | undefined> {
  switch (step.kind) {
    case 'ApplyMeshObject':
      return objects.apply(step.ref, step.content, { takeBack: step.takeBack, signal });
    case 'ReplaceMeshKey': {
      const { key, text, content } = step;
      return objects.replaceKey(step.object, { key, text, annotations: content.annotations }, signal);
    }
    case 'DeleteMeshObject':
      await objects.delete({ ...step.ref, uid: step.uid }, signal);
      return undefined;
  }
}
