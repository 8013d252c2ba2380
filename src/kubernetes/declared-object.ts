// What does one PeerTrustDomain object declare, and is it in force?
import type { Peer } from '../federation/relationship.ts';
import type { KubeObject } from './kube-object.ts';

export interface DeclaredObject {
  /** As the API server has it, without `metadata.managedFields`. */
  readonly object: KubeObject;
  readonly state: DeclaredState;
  /** Its deletion was asked for, and a finalizer keeps it. */
  readonly deleting: boolean;
}

export type DeclaredState =
  | { readonly kind: 'InForce'; readonly peer: Peer }
  | {
      readonly kind: 'Refused';
      readonly reason: 'Invalid' | 'Conflict' | 'OwnTrustDomain';
      readonly message: string;
      /** What the object said before, which stays in force. */
      readonly inForce?: Peer;
    };

/** What is in force of an object; undefined: nothing. */
export function peerInForce({ state }: DeclaredObject): Peer | undefined {
  return state.kind === 'InForce' ? state.peer : state.inForce;
}
