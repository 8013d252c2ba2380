// Which peer does one object declare by itself? Its spec with its annotations, or every fault of it.
import type { DeclaringUnit, FaultReason } from '../federation/judge-declarations.ts';
import { parsePeerDeclaration } from '../federation/peer-declaration.ts';
import type { Peer } from '../federation/relationship.ts';
import { acceptDigestOf, annotationOf } from './annotations.ts';
import { hasFinalizer } from './finalizer.ts';
import type { KubeObject } from './kube-object.ts';

export interface ObjectFault {
  readonly reason: FaultReason;
  /** With the path of the field. */
  readonly message: string;
}

export interface ObjectDeclaration {
  /** While it is the same, so is the declaration. */
  readonly version: string;
  /** Undefined when it has faults. */
  readonly peer: Peer | undefined;
  readonly faults: readonly ObjectFault[];
  /** Of an annotation that is not looked at because of it; the rest counts. */
  readonly annotationFault: ObjectFault | undefined;
}

/** Keeps `before` when it still says what the object says: the peer is then the same value. */
export function declarationOf(object: KubeObject, before: ObjectDeclaration | undefined): ObjectDeclaration {
  const version = versionOf(object);
  if (before?.version === version) return before;
  const { apiVersion, kind, metadata, spec } = object;
  const declaration = parsePeerDeclaration({ apiVersion, kind, metadata: { name: metadata.name }, spec }, 'Kubernetes');
  const accept = acceptDigestOf(object);
  const annotationFault = 'fault' in accept ? faultOf('Invalid', accept.fault) : undefined;
  if (!declaration.ok) {
    const faults = declaration.faults.map(({ path, message }) => faultAt(path, message, 'Invalid'));
    return { version, peer: undefined, faults, annotationFault };
  }
  const acceptDigest = ('digest' in accept ? accept.digest : undefined) ?? declaration.peer.acceptDigest;
  return { version, peer: { ...declaration.peer, acceptDigest }, faults: [], annotationFault };
}

/** The object as what it is judged by together with the others. */
export function unitOf(object: KubeObject, { peer, faults }: ObjectDeclaration): DeclaringUnit<ObjectFault> {
  return {
    id: uidOf(object),
    title: `${object.kind} "${object.metadata.name}"`,
    declared: peer === undefined ? [] : [{ peer, faultAt }],
    faults,
    // Nothing was ever done for an object without our finalizer. A conflict is about a trust domain that is known.
    mayHide: (found) => hasFinalizer(object) && found.some(({ reason }) => reason === 'Invalid'),
  };
}

/** An API server gives every object one. */
export function uidOf({ metadata: { uid, name } }: KubeObject): string {
  return uid ?? name;
}

function faultAt(path: readonly (string | number)[], message: string, reason: FaultReason): ObjectFault {
  return faultOf(reason, path.length === 0 ? message : `${path.join('.')}: ${message}`);
}

function faultOf(reason: FaultReason, message: string): ObjectFault {
  return { reason, message };
}

/** The generation counts changes of spec alone, so that our own writes of status and finalizer change nothing. */
function versionOf(object: KubeObject): string {
  const { generation, resourceVersion, name } = object.metadata;
  return JSON.stringify([name, generation ?? resourceVersion, annotationOf(object, 'acceptDigest')]);
}
