// What does an API server store, and what does it refuse? In memory, with resourceVersions, status subresources,
// finalizers, field owners, and the texts of a real one's Status.
import { randomUUID } from 'node:crypto';
import { apiVersionOf, resourceName, type Resource } from '../../src/kubernetes/kube-object.ts';
import { isRecord, jsonPatched, mergePatched, without, type Json } from './fake-api-json.ts';
import { FieldOwners } from './fake-field-owners.ts';

export interface ServedResource extends Resource {
  readonly hasStatus?: boolean;
  /** What is wrong with an object, in the words of a schema. */
  readonly fault?: (object: Json) => string | undefined;
}

export interface StoredObject extends Json {
  readonly metadata: Json & { readonly name: string; readonly resourceVersion: string };
}

export interface Change {
  readonly resource: ServedResource;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: StoredObject;
  readonly before: StoredObject | undefined;
  readonly version: number;
}

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

export interface Place {
  readonly resource: ServedResource;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly subresource: 'status' | undefined;
}

export const PATCH_TYPES = ['application/merge-patch+json', 'application/json-patch+json'] as const;

interface Row {
  object: StoredObject;
  readonly owners: FieldOwners;
}

export class FakeApiStore {
  readonly #rows = new Map<string, Row>();
  readonly #listeners = new Set<(change: Change) => void>();
  #version = 1000;
  #history: Change[] = [];
  #oldest = 1000;

  get version(): number {
    return this.#version;
  }

  /** Watches cannot go on from a version before this one. */
  get oldestVersion(): number {
    return this.#oldest;
  }

  /** etcd's compaction: what happened until now is forgotten. */
  compact(): void {
    this.#history = [];
    this.#version += 1;
    this.#oldest = this.#version;
  }

  /** Writes that changed something, in order. */
  get changes(): readonly Change[] {
    return this.#history;
  }

  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  list(resource: ServedResource, namespace: string | undefined): readonly StoredObject[] {
    const prefix = namespace === undefined ? `${resourceName(resource)}|` : `${resourceName(resource)}|${namespace}/`;
    return [...this.#rows].filter(([key]) => key.startsWith(prefix)).map(([, { object }]) => object);
  }

  get(place: Place): StoredObject {
    return this.#row(place).object;
  }

  create(place: Place, body: Json, manager: string): StoredObject {
    if (this.#rows.has(keyOf(place))) {
      throw new Refusal(409, 'AlreadyExists', `${describe(place)} already exists`);
    }
    if (isRecord(body['metadata']) && body['metadata']['resourceVersion'] !== undefined) {
      throw new Refusal(400, 'BadRequest', 'resourceVersion should not be set on objects to be created');
    }
    const owners = new FieldOwners();
    const created = this.#fresh(place, body);
    owners.update(manager, undefined, created);
    return this.#commit(place, { object: created, owners }, undefined);
  }

  replace(place: Place, body: Json, manager: string): StoredObject {
    const row = this.#row(place);
    checkVersion(place, row.object, body);
    return this.#write(place, row, body, (after) => {
      row.owners.update(manager, row.object, after);
    });
  }

  patch(place: Place, type: (typeof PATCH_TYPES)[number], patch: unknown, manager: string): StoredObject {
    const { object } = this.#row(place);
    const patched =
      type === 'application/merge-patch+json' ? mergePatched(object, patch) : jsonPatched(object, patch as []);
    if (!isRecord(patched)) {
      const text = 'the server rejected our request due to an error in our request';
      throw new Refusal(422, 'Invalid', text);
    }
    return this.replace(place, patched, manager);
  }

  apply(place: Place, body: Json, manager: string, force: boolean): StoredObject {
    const existing = this.#rows.get(keyOf(place));
    if (existing === undefined && place.subresource !== undefined) return this.get(place);
    const row = existing ?? { object: this.#fresh(place, {}), owners: new FieldOwners() };
    if (existing !== undefined) checkVersion(place, row.object, body);
    const conflicts = row.owners.conflicts(manager, row.object, body);
    if (conflicts.length > 0 && !force) throw applyConflict(place, conflicts);
    const isPart = (field: string) => (field === 'status') === (place.subresource === 'status');
    const after = row.owners.applied(manager, row.object, body, isPart);
    if (existing !== undefined) return this.#write(place, row, after, () => undefined);
    return this.#commit(place, { ...row, object: after as StoredObject }, undefined);
  }

  /** Deletes, or marks as deleted while there are finalizers. */
  delete(place: Place, uid: string | undefined): StoredObject {
    const row = this.#row(place);
    const { metadata } = row.object;
    if (uid !== undefined && uid !== metadata['uid']) {
      const fault = `the UID in the precondition (${uid}) does not match the UID in record (${String(metadata['uid'])})`;
      const text = `${fault}. The object might have been deleted and then recreated`;
      throw new Refusal(409, 'Conflict', conflictText(place, text));
    }
    if ((metadata['finalizers'] as unknown[] | undefined)?.length) {
      if (metadata['deletionTimestamp'] !== undefined) return row.object;
      const deletionTimestamp = rfc3339();
      const marked = { ...row.object, metadata: { ...metadata, deletionTimestamp, deletionGracePeriodSeconds: 0 } };
      return this.#commit(place, { ...row, object: marked }, row.object);
    }
    this.#rows.delete(keyOf(place));
    return this.#publish(place, 'DELETED', row.object, row.object);
  }

  /** What happened since; undefined when that is forgotten. */
  changesSince(version: number): readonly Change[] | undefined {
    return version < this.#oldest ? undefined : this.#history.filter((change) => change.version > version);
  }

  #row(place: Place): Row {
    const row = this.#rows.get(keyOf(place));
    if (row === undefined) throw new Refusal(404, 'NotFound', `${describe(place)} not found`);
    return row;
  }

  #fresh({ resource, namespace, name }: Place, body: Json): StoredObject {
    return {
      ...(resource.hasStatus === true ? without(body, 'status') : body),
      apiVersion: apiVersionOf(resource),
      kind: resource.kind,
      metadata: {
        ...(isRecord(body['metadata']) && body['metadata']),
        name,
        ...(namespace !== undefined && { namespace }),
        uid: randomUUID(),
        creationTimestamp: rfc3339(),
        ...(resource.hasStatus === true && { generation: 1 }),
        resourceVersion: '',
      },
    };
  }

  #write(place: Place, row: Row, body: Json, own: (after: Json) => void): StoredObject {
    const before = row.object;
    const after = withoutForeignPart(place, before, body);
    own(after);
    if (canonical(withoutServerFields(after)) === canonical(withoutServerFields(before))) return before;
    const specChanged = canonical(specOf(after)) !== canonical(specOf(before));
    const generation = Number(before.metadata['generation'] ?? 0) + (specChanged ? 1 : 0);
    const object = {
      ...after,
      metadata: { ...after.metadata, ...(place.resource.hasStatus === true && { generation }) },
    };
    const { deletionTimestamp, finalizers } = object.metadata as Json;
    if (deletionTimestamp !== undefined && !(finalizers as unknown[] | undefined)?.length) {
      this.#rows.delete(keyOf(place));
      return this.#publish(place, 'DELETED', object, before);
    }
    return this.#commit(place, { ...row, object }, before);
  }

  #commit(place: Place, row: Row, before: StoredObject | undefined): StoredObject {
    const fault = place.resource.fault?.(row.object);
    if (fault !== undefined) {
      const { kind, group } = place.resource;
      const named = `${group === '' ? kind : `${kind}.${group}`} "${place.name}"`;
      throw new Refusal(422, 'Invalid', `${named} is invalid: ${fault}`);
    }
    const managedFields = row.owners.managedFields(apiVersionOf(place.resource));
    const object = { ...row.object, metadata: { ...row.object.metadata, managedFields } };
    const published = this.#publish(place, before === undefined ? 'ADDED' : 'MODIFIED', object, before);
    this.#rows.set(keyOf(place), { ...row, object: published });
    return published;
  }

  #publish(place: Place, type: Change['type'], object: StoredObject, before: StoredObject | undefined): StoredObject {
    this.#version += 1;
    const versioned = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
    const change = { resource: place.resource, type, object: versioned, before, version: this.#version };
    this.#history.push(change);
    for (const listener of this.#listeners) listener(change);
    return versioned;
  }
}

/** The status subresource writes status alone, everything else all but the status. */
function withoutForeignPart({ resource, subresource }: Place, before: StoredObject, body: Json): StoredObject {
  if (subresource === 'status') return { ...before, status: body['status'] };
  const { uid, creationTimestamp, deletionTimestamp, generation, resourceVersion, name, namespace } = before.metadata;
  const kept = { uid, creationTimestamp, deletionTimestamp, generation, resourceVersion, name, namespace };
  const metadata = { ...(isRecord(body['metadata']) && body['metadata']), ...kept } as StoredObject['metadata'];
  return { ...body, ...(resource.hasStatus === true && { status: before['status'] }), metadata };
}

function withoutServerFields(object: StoredObject): Json {
  return { ...object, metadata: without(object.metadata, 'managedFields', 'resourceVersion') };
}

function specOf(object: StoredObject): Json {
  return without(object, 'metadata', 'status');
}

function checkVersion(place: Place, before: StoredObject, body: Json): void {
  const { resourceVersion, uid } = isRecord(body['metadata']) ? body['metadata'] : ({} as Json);
  const stale = resourceVersion !== undefined && resourceVersion !== before.metadata.resourceVersion;
  if (stale || (uid !== undefined && uid !== before.metadata['uid'])) {
    const text = 'the object has been modified; please apply your changes to the latest version and try again';
    throw new Refusal(409, 'Conflict', conflictText(place, text));
  }
}

function conflictText(place: Place, text: string): string {
  return `Operation cannot be fulfilled on ${describe(place)}: ${text}`;
}

function applyConflict(place: Place, conflicts: readonly { manager: string; field: string }[]): Refusal {
  const using = `using ${apiVersionOf(place.resource)}`;
  const causes = conflicts.map(({ manager, field }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with "${manager}" ${using}`,
    field,
  }));
  const many = conflicts.length === 1 ? '1 conflict' : `${conflicts.length} conflicts`;
  const list = causes.map(({ message, field }) => `${message}: ${field}`).join('\n');
  return new Refusal(409, 'Conflict', `Apply failed with ${many}: ${list}`, causes);
}

function keyOf({ resource, namespace, name }: Place): string {
  return `${resourceName(resource)}|${namespace ?? ''}/${name}`;
}

function describe({ resource, name }: Place): string {
  return `${resourceName(resource)} "${name}"`;
}

function rfc3339(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z');
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) =>
    isRecord(member) ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1))) : member,
  );
}
