// Which changes of mesh objects can a plan ask for? Plain data; whoever applies them decides nothing.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { MeshObject, MeshObjectContent, MeshObjectRef } from '../federation/mesh-objects.ts';
import type { ReplacedFact } from './mesh-memory.ts';

interface StepHead {
  readonly ref: MeshObjectRef;
  /** Whom it is about. */
  readonly trustDomains: readonly TrustDomain[];
  /** Every listener drains. */
  readonly changesList: boolean;
  /** Every proxy of istiod asks for a certificate. */
  readonly changesRoots: boolean;
}

interface WritingStep extends StepHead {
  /** What is remembered as ours when it is done. */
  readonly content: MeshObjectContent;
  /** Others had changed it. */
  readonly isFlip: boolean;
  /** What was known of the object when this was planned. */
  readonly replaces: ReplacedFact;
}

/** One object each; steps of different objects do not depend on each other. */
export type MeshStep =
  /** `takeBack`: others said something else there, and it is ours. */
  | (WritingStep & { readonly kind: 'ApplyMeshObject'; readonly takeBack: boolean })
  /** Of an object that belongs to others. */
  | (WritingStep & {
      readonly kind: 'ReplaceMeshKey';
      readonly object: MeshObject;
      readonly key: string;
      readonly text: string;
    })
  /** `why`: nobody needs it any more. */
  | (StepHead & { readonly kind: 'DeleteMeshObject'; readonly uid: string; readonly why: string });
