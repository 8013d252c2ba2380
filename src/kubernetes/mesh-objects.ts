// How are the objects read and written that the mesh takes peers' roots and names from? By server-side apply, each only
// while it is ours.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { MeshObject, MeshObjectContent, MeshObjectRef, MeshObjects } from '../federation/mesh-objects.ts';
import type { Report } from '../federation/ports.ts';
import type { ApplyOptions, JsonPatchOperation } from './api-server.ts';
import { applyOver, refuseForeign } from './apply-over.ts';
import { isKubeError, KubeError } from './kube-error.ts';
import { describeTarget, type KubeObject } from './kube-object.ts';
import { MANAGED_BY_SELECTOR, ownMarks } from './managed-by.ts';
import { bodyOf, meshObjectOf, objectRefOf, resourceOf, storedText } from './mesh-object.ts';
import type { CallOptions } from './requester.ts';
import { watchObject } from './watch-object.ts';
import type { ResourceParts } from './watch-resource.ts';

export interface MeshResourcesParts extends ResourceParts {
  /** What we make says that it is of the broker of this one. */
  readonly ownTrustDomain: TrustDomain;
}

export class MeshResources implements MeshObjects {
  readonly #parts: MeshResourcesParts;

  constructor(parts: MeshResourcesParts) {
    this.#parts = parts;
  }

  watch(ref: MeshObjectRef, report: Report<MeshObject>, signal: AbortSignal): Promise<void> {
    const { api, clock, random, onFault, ownTrustDomain } = this.#parts;
    return watchObject(
      objectRefOf(ref),
      {
        api,
        clock,
        random,
        onHandlerFault: onFault,
        // Who wrote into it is told too.
        keep: (object) => object,
        report: (found) => {
          report(found === undefined || found instanceof Error ? found : meshObjectOf(ref.kind, found, ownTrustDomain));
        },
      },
      signal,
    );
  }

  async listOurs(kind: MeshObjectRef['kind'], namespace: string, signal?: AbortSignal): Promise<readonly MeshObject[]> {
    const selection = { resource: resourceOf(kind), namespace, labelSelector: MANAGED_BY_SELECTOR };
    const { items } = await this.#parts.api.list(selection, { signal });
    return items.map((object) => this.#read(kind, object)).filter(({ ours }) => ours);
  }

  /** `KubeAlreadyExists` when there is an object of that name which is not ours. */
  async apply(
    ref: MeshObjectRef,
    content: MeshObjectContent,
    { takeBack = false, signal }: { readonly takeBack?: boolean; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<MeshObject> {
    const applied = await this.#applyToNewest(ref, content, { takeBack, signal });
    const foreignKeys = Object.keys(applied.data).filter((key) => !(key in content.data));
    if (foreignKeys.length === 0) return applied;
    if (!takeBack) throw foreignKeysConflict(applied, foreignKeys);
    return this.#patch(applied, foreignKeys.map(removalOf), signal);
  }

  async #applyToNewest(ref: MeshObjectRef, content: MeshObjectContent, options: ApplyOptions): Promise<MeshObject> {
    const { api, ownTrustDomain: own } = this.#parts;
    const target = objectRefOf(ref);
    const applied = await applyOver({
      ...{ ref: target, own },
      look: () => api.get(target, { signal: options.signal }),
      apply: (over) => api.apply(target.resource, bodyOf(ref, content, { over, own }), options),
    });
    return this.#read(ref.kind, applied);
  }

  replaceKey(
    object: MeshObject,
    { key, text, annotations }: Parameters<MeshObjects['replaceKey']>[1],
    signal?: AbortSignal,
  ): Promise<MeshObject> {
    const data = { [key]: storedText(object.kind, text) };
    const marks = ownMarks(this.#parts.ownTrustDomain);
    const operations = [
      ...additions('/data', object.data, data),
      ...additions('/metadata/annotations', object.annotations, { ...annotations, ...marks.annotations }),
    ];
    return this.#patch(object, operations, signal);
  }

  async delete(object: MeshObjectRef & { readonly uid: string }, signal?: AbortSignal): Promise<void> {
    const existing = await this.#ours(object, signal);
    if (existing?.uid !== object.uid) return;
    try {
      await this.#parts.api.delete({ ...objectRefOf(object), uid: object.uid }, { signal });
    } catch (error) {
      // Another object has taken its name; ours is gone.
      if (!isKubeError(error, 'KubeConflict')) throw error;
    }
  }

  /** @throws KubeError `KubeAlreadyExists` when it is somebody else's */
  async #ours(ref: MeshObjectRef, signal: AbortSignal | undefined): Promise<MeshObject | undefined> {
    const found = await this.#parts.api.get(objectRefOf(ref), { signal });
    if (found === undefined) return undefined;
    refuseForeign(objectRefOf(ref), found.metadata, this.#parts.ownTrustDomain);
    return this.#read(ref.kind, found);
  }

  async #patch(
    object: MeshObject,
    operations: readonly JsonPatchOperation[],
    signal: AbortSignal | undefined,
  ): Promise<MeshObject> {
    const options: CallOptions = { signal };
    const patched = await this.#parts.api.jsonPatch(objectRefOf(object), object.resourceVersion, operations, options);
    return this.#read(object.kind, patched);
  }

  #read(kind: MeshObjectRef['kind'], object: KubeObject): MeshObject {
    return meshObjectOf(kind, object, this.#parts.ownTrustDomain);
  }
}

/** Server-side apply takes nothing away that others added. */
function foreignKeysConflict(object: MeshObject, keys: readonly string[]): KubeError {
  const managers = object.otherManagers.map((name) => `"${name}"`).join(', ') || 'an unknown manager';
  return new KubeError(
    'KubeApplyConflict',
    `${describeTarget(objectRefOf(object))} has keys that are not ours: ${keys.join(', ')}; ${managers} wrote them. Remove them there`,
  );
}

/** Adds members to a map of the object, which is not there while it has none. */
function additions(
  path: string,
  held: Readonly<Record<string, string>>,
  added: Readonly<Record<string, string>>,
): readonly JsonPatchOperation[] {
  if (Object.keys(added).length === 0) return [];
  if (Object.keys(held).length === 0) return [{ op: 'add', path, value: added }];
  return Object.entries(added).map(([key, value]) => ({ op: 'add', path: `${path}/${pointerOf(key)}`, value }));
}

function removalOf(key: string): JsonPatchOperation {
  return { op: 'remove', path: `/data/${pointerOf(key)}` };
}

/** RFC 6901 §3. */
function pointerOf(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}
