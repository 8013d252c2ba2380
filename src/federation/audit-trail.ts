// What is written down of every change of trust, before and after it is made? The words of the events and the port.
import type { TrustDomain } from '../bundle/trust-domain.ts';

/** Who asked for a change. */
export type AuditCause =
  /** A declaration, or what follows from it for an entry or a mesh object. */
  | 'Declaration'
  /** A declaration that is gone or says `suspend: Revoke`. */
  | 'Withdrawal'
  /** The bundle that the peer publishes. */
  | 'Peer'
  /** An operator named the digest of a held bundle. */
  | 'Release'
  /** Somebody else had changed what was written before. */
  | 'Drift'
  /** An annotation of the peer's object. */
  | 'Annotation'
  /** `fedbroker` on a command line; `by` says whose. */
  | 'Command';

/** What is written while a rotation of our own authority is led; the record is the one that is kept in SPIRE. */
export type RotationChange =
  | 'BeginRotation'
  /** How far it is. */
  | 'NoteRotation'
  | 'PrepareAuthority'
  | 'ActivateAuthority'
  | 'TaintAuthority'
  | 'RevokeAuthority'
  | 'EndRotation'
  /** By `fedbroker rotate --abandon`. */
  | 'ForgetRotation';

interface AboutPeers {
  /** Our own, where its authority rotates. */
  readonly trustDomains: readonly TrustDomain[];
}

/** On disk before the change is begun. */
export interface ChangeIntended extends AboutPeers {
  readonly kind: 'ChangeIntended';
  /** The kind of the step, for example `StoreBundle`, or a `RotationChange`. */
  readonly change: string;
  readonly cause: AuditCause;
  /** For people. */
  readonly why: string;
  /** `user@host` of a command. */
  readonly by?: string;
  /** What is changed, where it is not the bundle of the one peer. */
  readonly subject?: string;
  /** Digests of the content; absent where there is none. */
  readonly before?: string;
  readonly after?: string;
  /** What else is to be known of it; plain data. */
  readonly details?: unknown;
}

/** How an intended change ended. */
export interface ChangeEnded extends AboutPeers {
  readonly kind: 'ChangeEnded';
  /** Number of the record that said it would be made. */
  readonly intention: number;
  /** `Done`, `NotDone`, `Unknown` where the process ended in between, or the code of the failure. */
  readonly result: string;
  readonly message?: string;
  /** Of a change of many objects: those that failed, the first hundred. */
  readonly failures?: readonly { readonly subject: string; readonly result: string }[];
}

/** A fetched bundle is judged otherwise than the one before it. */
export interface VerdictChanged extends AboutPeers {
  readonly kind: 'VerdictChanged';
  readonly peer: string;
  readonly verdict: 'accepted' | 'held' | 'refused' | 'revoked';
  readonly reason?: string;
  /** Of the fetched content, where it could be read. */
  readonly digest?: string;
  readonly message?: string;
}

export interface DeclarationNoted extends AboutPeers {
  readonly kind: 'DeclarationTakenUp' | 'DeclarationChanged' | 'DeclarationWithdrawn';
  readonly peer: string;
  /** SHA-256 of what is declared; absent when it is withdrawn. */
  readonly declaration?: string;
  /** Without the content of keys and bundles: their digests stand for them. */
  readonly declared?: unknown;
}

/** Changes were made that could not be written down. */
export interface RecordsLost extends AboutPeers {
  readonly kind: 'RecordsLost';
  readonly count: number;
  readonly since: string;
  readonly reason: string;
}

export type AuditEvent = ChangeIntended | ChangeEnded | VerdictChanged | DeclarationNoted | RecordsLost;

/** A place in the chain: the number of a record and its hash, in lower-case hex. */
export interface AuditHead {
  readonly record: number;
  readonly hash: string;
}

/** What the trail says of a peer by now. */
export interface AuditedPeer {
  readonly trustDomain: TrustDomain;
  /** Its newest record. */
  readonly head: AuditHead;
  readonly name?: string;
  /** SHA-256 of the declaration in force. */
  readonly declaration?: string;
  /** Verdict and reason, when the newest is not `accepted`. */
  readonly verdict?: string;
  /** Digest of the bundle that was written last. */
  readonly stored?: string;
}

/** Every record once, in order, never changed. Rejects with `AuditError`. */
export interface AuditTrail {
  readonly place: string;
  /** Undefined while nothing was ever recorded, or the trail was not read yet. */
  readonly head: AuditHead | undefined;
  peer(trustDomain: TrustDomain): AuditedPeer | undefined;
  peers(): Iterable<AuditedPeer>;
  /** Resolves when the records are on disk, with a place for each. */
  append(events: readonly AuditEvent[]): Promise<readonly AuditHead[]>;
  /** Whether a record could be written; reads what others have appended. */
  look(): Promise<void>;
}
