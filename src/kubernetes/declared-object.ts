// What does one PeerTrustDomain object declare, and is it in force?
import type { FaultReason } from '../federation/judge-declarations.ts';
import type { Peer } from '../federation/relationship.ts';
import type { KubeObject } from './kube-object.ts';

export interface DeclaredObject {
  /** As the API server has it, without `metadata.managedFields`. */
  readonly object: KubeObject;
  readonly state: DeclaredState;
  /** Somebody asked to delete it: its trust is being taken away, or another object declares its trust domain. */
  readonly deleting: boolean;
}

export type DeclaredState =
  /** The object counts. Before its finalizer is on it, nothing is done for the peer yet. */
  | { readonly kind: 'InForce'; readonly peer: Peer }
  | {
      readonly kind: 'Refused';
      readonly reason: FaultReason;
      /** What is wrong with it and what to write instead. */
      readonly message: string;
      /** What stays in force meanwhile: earlier content, or the object without a faulty annotation. */
      readonly inForce?: Peer;
    };

/** What is in force of an object; undefined: nothing. */
export function peerInForce({ state }: DeclaredObject): Peer | undefined {
  return state.kind === 'InForce' ? state.peer : state.inForce;
}
