// In which words does an API server refuse a write? (as kube-apiserver 1.36.3 answers: test/vectors/kubernetes)
import { apiVersionOf, resourceName } from '../../src/kubernetes/kube-object.ts';
import type { Place } from './fake-api-store.ts';
import type { FieldConflict } from './fake-field-owners.ts';

export interface Cause {
  readonly reason: string;
  readonly message: string;
  readonly field: string;
}

/** What becomes a metav1.Status. */
export class Refusal extends Error {
  readonly code: number;
  readonly reason: string;
  readonly causes: readonly Cause[];

  constructor(code: number, reason: string, message: string, causes: readonly Cause[] = []) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.causes = causes;
  }
}

export function notFound(place: Place): Refusal {
  return new Refusal(404, 'NotFound', `${describe(place)} not found`);
}

export function alreadyExists(place: Place): Refusal {
  return new Refusal(409, 'AlreadyExists', `${describe(place)} already exists`);
}

export function versionOfNothing(): Refusal {
  return new Refusal(500, 'InternalError', 'resourceVersion should not be set on objects to be created');
}

export function noVersion({ resource, name }: Place): Refusal {
  const fault = 'metadata.resourceVersion: Invalid value: 0: must be specified for an update';
  return new Refusal(422, 'Invalid', `${resourceName(resource)} "${name}" is invalid: ${fault}`);
}

export function invalid({ resource: { kind, group }, name }: Place, fault: string): Refusal {
  return new Refusal(422, 'Invalid', `${group === '' ? kind : `${kind}.${group}`} "${name}" is invalid: ${fault}`);
}

export function patchDoesNotFit(): Refusal {
  return new Refusal(422, 'Invalid', 'the server rejected our request due to an error in our request');
}

export function notTheNewest(place: Place): Refusal {
  const text = 'the object has been modified; please apply your changes to the latest version and try again';
  return conflict(place, text);
}

/** Of a replacement; `held` is empty where there is no object. */
export function otherUid(place: Place, meant: string, held: string): Refusal {
  const text = `Precondition failed: UID in precondition: ${meant}, UID in object meta: ${held}`;
  return conflict(place, `StorageError: invalid object, Code: 4, AdditionalErrorMsg: ${text}`);
}

/** Of a deletion. */
export function notTheOneMeant(place: Place, meant: string, held: string): Refusal {
  const text = `the UID in the precondition (${meant}) does not match the UID in record (${held})`;
  return conflict(place, `${text}. The object might have been deleted and then recreated`);
}

/** Of an apply that would be a creation. */
export function uidOfNothing(place: Place, meant: string): Refusal {
  const text = `uid mismatch: the provided object specified uid ${meant}, and no existing object was found`;
  return conflict(place, text);
}

export function applyConflict(place: Place, conflicts: readonly FieldConflict[]): Refusal {
  const ownerOf = ({ manager, operation }: FieldConflict) =>
    operation === 'Apply' ? `"${manager}"` : `"${manager}" using ${apiVersionOf(place.resource)}`;
  const causes = conflicts.map((each) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${ownerOf(each)}`,
    field: each.field,
  }));
  const many = conflicts.length === 1 ? '1 conflict' : `${conflicts.length} conflicts`;
  const list = causes.map(({ message, field }) => `${message}: ${field}`).join('\n');
  return new Refusal(409, 'Conflict', `Apply failed with ${many}: ${list}`, causes);
}

function conflict(place: Place, text: string): Refusal {
  return new Refusal(409, 'Conflict', `Operation cannot be fulfilled on ${describe(place)}: ${text}`);
}

function describe({ resource, name }: Place): string {
  return `${resourceName(resource)} "${name}"`;
}
