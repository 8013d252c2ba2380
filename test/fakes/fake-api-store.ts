// What does an API server store, and what does it refuse? In memory, with resourceVersions, status subresources,
// finalizers, field owners, and the texts of a real one's Status.
import { randomUUID } from 'node:crypto';
import { apiVersionOf, resourceName, type Resource } from '../../src/kubernetes/kube-object.ts';
import { isRecord, jsonPatched, mergePatched, without, type Json } from './fake-api-json.ts';
import * as refusals from './fake-api-refusals.ts';
import { FieldOwners } from './fake-field-owners.ts';

export interface ServedResource extends Resource {
  readonly hasStatus?: boolean;
  /** A replacement of what is not there is a creation. */
  readonly createsOnReplace?: boolean;
  /** What is wrong with an object, in the words of a schema. */
  readonly fault?: (object: Json) => string | undefined;
}

export interface StoredObject extends Json {
  readonly metadata: Json & { readonly name: string; readonly uid: string; readonly resourceVersion: string };
}

export interface Change {
  readonly resource: ServedResource;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: StoredObject;
  readonly before: StoredObject | undefined;
  readonly version: number;
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

  /** In the order of namespaces and names. */
  list(resource: ServedResource, namespace: string | undefined): readonly StoredObject[] {
    const prefix = namespace === undefined ? `${resourceName(resource)}|` : `${resourceName(resource)}|${namespace}/`;
    const rows = [...this.#rows].filter(([key]) => key.startsWith(prefix));
    return rows.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { object }]) => object);
  }

  get(place: Place): StoredObject {
    return this.#row(place).object;
  }

  create(place: Place, body: Json, manager: string): StoredObject {
    if (metadataOf(body).resourceVersion !== undefined) throw refusals.versionOfNothing();
    if (this.#rows.has(keyOf(place))) throw refusals.alreadyExists(place);
    const owners = new FieldOwners();
    const created = this.#fresh(place, body);
    owners.update(manager, undefined, created);
    return this.#commit(place, { object: created, owners }, undefined);
  }

  replace(place: Place, body: Json, manager: string): StoredObject {
    const { uid } = metadataOf(body);
    const row = this.#rows.get(keyOf(place));
    if (row === undefined && place.resource.createsOnReplace === true && uid !== undefined) {
      throw refusals.otherUid(place, uid, '');
    }
    if (row === undefined) throw refusals.notFound(place);
    if (uid !== undefined && uid !== row.object.metadata.uid) {
      throw refusals.otherUid(place, uid, row.object.metadata.uid);
    }
    return this.#update(place, row, body, manager);
  }

  patch(place: Place, type: (typeof PATCH_TYPES)[number], patch: unknown, manager: string): StoredObject {
    const row = this.#row(place);
    const { object } = row;
    const patched =
      type === 'application/merge-patch+json' ? mergePatched(object, patch) : jsonPatched(object, patch as []);
    if (!isRecord(patched)) throw refusals.patchDoesNotFit();
    checkUid(place, row.object, patched);
    return this.#update(place, row, patched, manager);
  }

  apply(place: Place, body: Json, manager: string, force: boolean): StoredObject {
    const existing = this.#rows.get(keyOf(place));
    if (existing === undefined && place.subresource !== undefined) return this.get(place);
    const row = existing ?? { object: this.#fresh(place, {}), owners: new FieldOwners() };
    if (existing === undefined) {
      const { uid } = metadataOf(body);
      if (uid !== undefined) throw refusals.uidOfNothing(place, uid);
    } else {
      // The status subresource writes no metadata, and so takes no notice of a UID.
      if (place.subresource === undefined) checkUid(place, row.object, body);
      checkVersion(place, row.object, body);
    }
    const isStatus = place.subresource === 'status';
    const said = isStatus
      ? { status: body['status'] }
      : without(body, ...(place.resource.hasStatus === true ? ['status'] : []));
    const conflicts = row.owners.conflicts(manager, row.object, said);
    if (conflicts.length > 0 && !force) throw refusals.applyConflict(place, conflicts);
    const after = row.owners.applied(manager, row.object, said, (field) => (field === 'status') === isStatus);
    if (existing !== undefined) return this.#write(place, row, after, () => undefined);
    return this.#commit(place, { ...row, object: after as StoredObject }, undefined);
  }

  /** Deletes, or marks as deleted while there are finalizers. */
  delete(place: Place, uid: string | undefined): StoredObject {
    const row = this.#row(place);
    const { metadata } = row.object;
    if (uid !== undefined && uid !== metadata.uid) {
      throw refusals.notTheOneMeant(place, uid, metadata.uid);
    }
    if ((metadata['finalizers'] as unknown[] | undefined)?.length) {
      if (metadata['deletionTimestamp'] !== undefined) return row.object;
      const mark = { deletionTimestamp: rfc3339(), deletionGracePeriodSeconds: 0, ...nextGeneration(row.object) };
      const marked = { ...row.object, metadata: { ...metadata, ...mark } };
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
    if (row === undefined) throw refusals.notFound(place);
    return row;
  }

  #update(place: Place, row: Row, body: Json, manager: string): StoredObject {
    checkVersion(place, row.object, body);
    return this.#write(place, row, body, (after) => {
      row.owners.update(manager, row.object, after);
    });
  }

  #fresh({ resource, namespace, name }: Place, body: Json): StoredObject {
    return {
      ...(resource.hasStatus === true ? without(body, 'status') : body),
      apiVersion: apiVersionOf(resource),
      kind: resource.kind,
      metadata: {
        ...withoutEmpty(metadataOf(body)),
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
    checkParts(place, before, after);
    const specChanged = canonical(specOf(after)) !== canonical(specOf(before));
    const object = { ...after, metadata: { ...after.metadata, ...(specChanged && nextGeneration(before)) } };
    const { deletionTimestamp, finalizers } = object.metadata as Json;
    if (deletionTimestamp !== undefined && !(finalizers as unknown[] | undefined)?.length) {
      this.#rows.delete(keyOf(place));
      return this.#publish(place, 'DELETED', object, before);
    }
    return this.#commit(place, { ...row, object }, before);
  }

  #commit(place: Place, row: Row, before: StoredObject | undefined): StoredObject {
    const fault = place.resource.fault?.(row.object);
    if (fault !== undefined) throw refusals.invalid(place, fault);
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
  const metadata = { ...withoutEmpty(metadataOf(body)), ...kept } as StoredObject['metadata'];
  return { ...body, ...(resource.hasStatus === true && { status: before['status'] }), metadata };
}

function withoutServerFields(object: StoredObject): Json {
  return { ...object, metadata: without(object.metadata, 'managedFields', 'resourceVersion') };
}

function specOf(object: StoredObject): Json {
  return without(object, 'metadata', 'status');
}

/** Only what has a status keeps generations. */
function nextGeneration({ metadata: { generation } }: StoredObject): Json {
  return generation === undefined ? {} : { generation: Number(generation) + 1 };
}

/** The API server does not store empty maps and lists of metadata. */
function withoutEmpty(metadata: Json): Json {
  return Object.fromEntries(Object.entries(metadata).filter(([, value]) => !isEmpty(value)));
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

type WrittenMeta = Json & { readonly uid?: string; readonly resourceVersion?: string };

function metadataOf(body: Json): WrittenMeta {
  return isRecord(body['metadata']) ? body['metadata'] : {};
}

function checkVersion(place: Place, before: StoredObject, body: Json): void {
  const { resourceVersion } = metadataOf(body);
  if (resourceVersion !== undefined && resourceVersion !== before.metadata.resourceVersion) {
    throw refusals.notTheNewest(place);
  }
}

/** A patch names the UID as one more field that cannot be changed. */
function checkUid(place: Place, before: StoredObject, body: Json): void {
  const { uid } = metadataOf(body);
  if (uid === undefined || uid === before.metadata.uid) return;
  throw refusals.invalid(place, `metadata.uid: Invalid value: ${JSON.stringify(uid)}: field is immutable`);
}

function checkParts(place: Place, before: StoredObject, after: StoredObject): void {
  if (place.subresource === 'status' && isEmpty(after['status']) && !isEmpty(before['status'] ?? {})) {
    throw refusals.invalid(place, 'status: Invalid value: "null":  in body must be of type object: "null"');
  }
  const held = (before.metadata['finalizers'] ?? []) as readonly string[];
  const late = ((after.metadata['finalizers'] ?? []) as readonly string[]).filter((each) => !held.includes(each));
  if (before.metadata['deletionTimestamp'] !== undefined && late.length > 0) {
    const text = 'no new finalizers can be added if the object is being deleted, found new finalizers';
    throw refusals.invalid(place, `metadata.finalizers: Forbidden: ${text} ${JSON.stringify(late)}`);
  }
}

function keyOf({ resource, namespace, name }: Place): string {
  return `${resourceName(resource)}|${namespace ?? ''}/${name}`;
}

function rfc3339(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z');
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) =>
    isRecord(member) ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1))) : member,
  );
}
