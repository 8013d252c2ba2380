// What does one process remember of the mesh between two plans? Plain data; without it one write may come early.
import type { CodedError } from '../federation/ports.ts';
import type { Fact } from '../federation/facts.ts';
import {
  meshObjectKey,
  type MeshObject,
  type MeshObjectContent,
  type MeshObjectRef,
} from '../federation/mesh-objects.ts';
import type { MeshFacts } from './mesh-facts.ts';
import type { MeshStep } from './mesh-steps.ts';
import type { MeshPlan } from './plan-mesh.ts';

export interface MeshMemory {
  /** Since when a change of the list waits, the first of those that will be written together. */
  readonly listChangeSince: Date | undefined;
  /** Since when nobody asks for a CA object that is still there, by `meshObjectKey`. */
  readonly unaskedSince: ReadonlyMap<string, Date>;
  /** Since when the revision that goes first has each name and root; undefined: not looked at, or none goes first. */
  readonly canaryHolds: ReadonlyMap<string, Date> | undefined;
  /** By `meshObjectKey`. */
  readonly objects: ReadonlyMap<string, ObjectMemory>;
}

export interface ObjectMemory {
  /** As we wrote it, or saw it undisturbed: what is restored. */
  readonly content: MeshObjectContent | undefined;
  readonly rootsWrittenAt: Date | undefined;
  /** When others had changed or deleted it and we changed it back, oldest first. */
  readonly flips: readonly Date[];
  /** The fact that our last write replaced. A plan made before the object is seen anew must not take it for an edit. */
  readonly replaced: ReplacedFact | undefined;
}

export interface ReplacedFact {
  /** Undefined: there was no object. */
  readonly resourceVersion: string | undefined;
  readonly at: Date;
}

export interface MeshStepOutcome {
  readonly step: MeshStep;
  readonly error: CodedError | undefined;
}

export const EMPTY_MEMORY: MeshMemory = {
  listChangeSince: undefined,
  unaskedSince: new Map(),
  canaryHolds: undefined,
  objects: new Map(),
};

/** More of them than any limit of theirs, so that the memory stays small. */
const FLIPS_KEPT = 32;

const NOTHING: ObjectMemory = { content: undefined, rootsWrittenAt: undefined, flips: [], replaced: undefined };

export function memoryOf(memory: MeshMemory, ref: MeshObjectRef): ObjectMemory {
  return memory.objects.get(meshObjectKey(ref)) ?? NOTHING;
}

/** Whether the fact is from before our last write. */
export function isReplaced(fact: Fact<MeshObject | undefined>, { replaced }: ObjectMemory): boolean {
  if (replaced === undefined || fact.state === 'Unreadable') return false;
  if (fact.value === undefined) return replaced.resourceVersion === undefined && +fact.at === +replaced.at;
  return fact.value.resourceVersion === replaced.resourceVersion;
}

/** What to remember after the steps of a plan, some or all, have ended. Also of a plan without steps. */
export function rememberMesh(facts: MeshFacts, plan: MeshPlan, outcomes: readonly MeshStepOutcome[]): MeshMemory {
  const objects = new Map(facts.memory.objects);
  for (const [key, content] of plan.undisturbed) objects.set(key, { ...(objects.get(key) ?? NOTHING), content });
  for (const outcome of outcomes) {
    const key = meshObjectKey(outcome.step.ref);
    const before = objects.get(key) ?? NOTHING;
    if (outcome.step.kind === 'DeleteMeshObject') {
      if (outcome.error === undefined) objects.delete(key);
    } else objects.set(key, afterWrite(before, outcome.step, outcome.error, facts));
  }
  const listSteps = plan.steps.filter(({ changesList }) => changesList);
  const succeeded = new Set(outcomes.flatMap(({ step, error }) => (error === undefined ? [step] : [])));
  const listWritten = listSteps.length > 0 && listSteps.every((step) => succeeded.has(step));
  return {
    listChangeSince: listWritten ? undefined : plan.listChangeSince,
    unaskedSince: new Map(plan.unaskedCas.map((key) => [key, facts.memory.unaskedSince.get(key) ?? facts.now])),
    canaryHolds: plan.canaryHolds,
    objects,
  };
}

function afterWrite(
  before: ObjectMemory,
  step: Exclude<MeshStep, { readonly kind: 'DeleteMeshObject' }>,
  error: CodedError | undefined,
  { now }: MeshFacts,
): ObjectMemory {
  if (error !== undefined) return before;
  const flips = step.isFlip ? [...before.flips, now].slice(-FLIPS_KEPT) : before.flips;
  return {
    content: step.content,
    rootsWrittenAt: step.changesRoots ? now : before.rootsWrittenAt,
    flips,
    replaced: step.replaces,
  };
}
