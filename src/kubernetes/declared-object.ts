// What does an object on the API server declare, and may it? Judged by the source of declarations, shown in its status.
import type { Peer } from '../federation/relationship.ts';
import type { KubeObject } from './kube-object.ts';

export interface DeclaredObject {
  readonly object: KubeObject;
  readonly state:
    | { readonly kind: 'InForce'; readonly peer: Peer }
    | {
        readonly kind: 'Refused';
        readonly reason: 'Invalid' | 'Conflict' | 'OwnTrustDomain';
        readonly message: string;
        /** What the object said before, which stays in force. */
        readonly inForce?: Peer;
      };
  /** Its deletion was asked for, and a finalizer keeps it. */
  readonly deleting: boolean;
}
