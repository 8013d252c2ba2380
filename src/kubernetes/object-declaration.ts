// Which peer does one object declare by itself? Its spec with its annotations, or every fault of it.
import type { DeclaringUnit, FaultReason } from '../federation/judge-declarations.ts';
import { PEER_ANNOTATIONS, type AnnotationFault } from '../federation/peer-annotations.ts';
import { parsePeerDeclaration } from '../federation/peer-declaration.ts';
import type { Peer } from '../federation/relationship.ts';
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
  const { name, annotations } = metadata;
  const document = { apiVersion, kind, metadata: { name, ...(annotations !== undefined && { annotations }) }, spec };
  const declaration = parsePeerDeclaration(document, 'Kubernetes');
  if (!declaration.ok) {
    const faults = declaration.faults.map(({ path, message }) => faultAt(path, message, 'Invalid'));
    return { version, peer: undefined, faults, annotationFault: undefined };
  }
  const [first] = declaration.annotationFaults;
  const annotationFault = first && faultOf('Invalid', annotationText(first));
  return { version, peer: declaration.peer, faults: [], annotationFault };
}

function annotationText({ annotation, message }: AnnotationFault): string {
  return `metadata.annotations.${annotation}: ${message}; it is not looked at`;
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
  const asked = Object.values(PEER_ANNOTATIONS).map((annotation) => object.metadata.annotations?.[annotation]);
  return JSON.stringify([name, generation ?? resourceVersion, ...asked]);
}
