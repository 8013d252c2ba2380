// What can be asked of the Kubernetes API server? The one interface all of src/kubernetes uses; each call is bounded.
import type { Clock } from '../federation/clock.ts';
import { objectOf, type ListPage } from './answers.ts';
import type { ApiAccess } from './api-access.ts';
import type { ApiCall } from './api-connection.ts';
import { isKubeError, KubeError, type Attempt } from './kube-error.ts';
import { kubeconfigAccess, type KubeconfigFile } from './kubeconfig.ts';
import {
  apiVersionOf,
  collectionPath,
  describeTarget,
  objectPath,
  type KubeObject,
  type ObjectBody,
  type ObjectRef,
  type Resource,
  type Selection,
} from './kube-object.ts';
import { listPages, type PageOptions } from './list-pages.ts';
import { Requester, type CallOptions } from './requester.ts';
import { serviceAccountAccess, type ServiceAccount } from './service-account.ts';
import { watchEvents, type WatchEvent } from './watch-stream.ts';

/** Whose fields are ours in `metadata.managedFields`. */
export const FIELD_MANAGER = 'spire-federation-broker';

/** RFC 6902, the operations in use. */
export type JsonPatchOperation =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

export interface WatchRequest {
  readonly resourceVersion: string;
  /** The API server ends the watch after so long. */
  readonly timeoutSeconds: number;
  /** Without a byte for so long, bookmarks included, the connection counts as dead. */
  readonly idleMs: number;
  readonly signal: AbortSignal;
}

export interface ApplyOptions extends CallOptions {
  /** By force, for objects that no other manager may change. */
  readonly takeBack?: boolean | undefined;
}

/** Every call has a deadline and a limit of bytes and rejects with `KubeError`; none retries by itself. */
export interface StatusOptions extends CallOptions {
  /** Whose fields these are; by default the broker's. Fields that one manager leaves out stay another's. */
  readonly fieldManager?: string;
}

export interface ApiServer {
  /** Ours, where it is known: of our pod, or of the kubeconfig's context. */
  readonly namespace: string | undefined;
  /** Undefined when there is no such object. */
  get(ref: ObjectRef, options?: CallOptions): Promise<KubeObject | undefined>;
  /** All pages, as of one resourceVersion. `KubeGone` when paging took too long: begin again. */
  list(selection: Selection, options?: CallOptions): Promise<Pick<ListPage, 'items' | 'resourceVersion'>>;
  /** The same page by page, for what is too much to hold at once. */
  pages(selection: Selection, options?: PageOptions): AsyncIterable<readonly KubeObject[]>;
  create(resource: Resource, object: ObjectBody, options?: CallOptions): Promise<KubeObject>;
  /**
   * Server-side apply under our field manager: creates, or changes what `object` says and removes what an earlier apply
   * said. `KubeApplyConflict` names the other manager where one says something else; only with `takeBack` is it
   * replaced, and the field ours alone.
   */
  apply(resource: Resource, object: ObjectBody, options?: ApplyOptions): Promise<KubeObject>;
  /**
   * The same of the status alone, and by force: nobody else has anything to say there. It goes to whatever has the
   * name, also with another UID; with a `metadata.resourceVersion`, `KubeConflict` when that is not the newest.
   * `KubeNotFound` when there is no object.
   */
  applyStatus(resource: Resource, object: ObjectBody, options?: StatusOptions): Promise<KubeObject>;
  /** `KubeConflict` when its `metadata.resourceVersion`, which it must have, is not the newest. */
  replace(resource: Resource, object: ObjectBody, options?: CallOptions): Promise<KubeObject>;
  /** RFC 7386. Another `metadata.uid` than the object's is `KubeInvalid`. */
  mergePatch(ref: ObjectRef, patch: Readonly<Record<string, unknown>>, options?: CallOptions): Promise<KubeObject>;
  /** `KubeConflict` when `resourceVersion` is not the newest. */
  jsonPatch(
    ref: ObjectRef,
    resourceVersion: string,
    operations: readonly JsonPatchOperation[],
    options?: CallOptions,
  ): Promise<KubeObject>;
  /** False when there was none. With a UID, `KubeConflict` when an object of that name is another one. */
  delete(ref: ObjectRef & { readonly uid?: string }, options?: CallOptions): Promise<boolean>;
  /** What happens after `resourceVersion`, see `watchEvents`. */
  watch(selection: Selection, request: WatchRequest): AsyncIterable<readonly WatchEvent[]>;
  /** Gives up the pooled connections. */
  close(): void;
}

export interface ApiServerOptions {
  /** Undefined: no configuration was found, which is an error. */
  readonly access: KubeconfigFile | ServiceAccount | undefined;
  readonly clock: Clock;
  /** Of one request, or one page of a list. */
  readonly timeoutMs: number;
}

/** @throws KubeError `KubeConfigInvalid`; asks the API server nothing yet */
export async function openApiServer({ access, clock, timeoutMs }: ApiServerOptions): Promise<ApiServer> {
  const found = await accessOf(access);
  return apiServerOver(new Requester(found, clock, timeoutMs), found.namespace);
}

function accessOf(access: ApiServerOptions['access']): Promise<ApiAccess> {
  if (access === undefined) {
    throw new KubeError(
      'KubeConfigInvalid',
      'no Kubernetes API server is configured; run in a pod with a service account, or name a kubeconfig',
    );
  }
  return 'path' in access ? kubeconfigAccess(access) : serviceAccountAccess(access);
}

function apiServerOver(requester: Requester, namespace: string | undefined): ApiServer {
  const write = async (attempt: Attempt, call: ApiCall, options: CallOptions | undefined) =>
    objectOf(attempt, await requester.json(attempt, call, options));
  const serverSideApply = (
    resource: Resource,
    object: ObjectBody,
    subresource: 'status' | undefined,
    { takeBack = false, fieldManager = FIELD_MANAGER, ...options }: ApplyOptions & StatusOptions = {},
  ) => {
    const ref = refOf(resource, object);
    const call: ApiCall = {
      method: 'PATCH',
      path: objectPath(ref, subresource),
      query: { fieldManager, force: String(takeBack || subresource === 'status') },
      body: bodyOf(resource, object),
      contentType: 'application/apply-patch+yaml',
    };
    return write({ verb: 'patch', resource, subresource, target: describeTarget(ref) }, call, options);
  };
  const patch = (ref: ObjectRef, body: unknown, contentType: string, options: CallOptions | undefined) => {
    const call = { method: 'PATCH', path: objectPath(ref), query: { fieldManager: FIELD_MANAGER }, body, contentType };
    return write(attemptOf('patch', ref), { ...call, method: 'PATCH' }, options);
  };
  return {
    namespace,

    async get(ref, options) {
      const attempt = attemptOf('get', ref);
      try {
        return objectOf(attempt, await requester.json(attempt, { method: 'GET', path: objectPath(ref) }, options));
      } catch (error) {
        if (isKubeError(error, 'KubeNotFound')) return undefined;
        throw error;
      }
    },

    async list(selection, options) {
      const items: KubeObject[] = [];
      let resourceVersion = '';
      for await (const page of listPages(requester, selection, options)) {
        items.push(...page.items);
        ({ resourceVersion } = page);
      }
      return { items, resourceVersion };
    },

    async *pages(selection, options) {
      for await (const { items } of listPages(requester, selection, options)) yield items;
    },

    create(resource, object, options) {
      const { namespace } = object.metadata;
      const call: ApiCall = {
        method: 'POST',
        path: collectionPath({ resource, namespace }),
        query: { fieldManager: FIELD_MANAGER },
        body: bodyOf(resource, object),
      };
      return write(attemptOf('create', refOf(resource, object)), call, options);
    },

    apply: (resource, object, options) => serverSideApply(resource, object, undefined, options),
    applyStatus: (resource, object, options) => serverSideApply(resource, object, 'status', options),

    replace(resource, object, options) {
      const ref = refOf(resource, object);
      const call: ApiCall = {
        method: 'PUT',
        path: objectPath(ref),
        query: { fieldManager: FIELD_MANAGER },
        body: bodyOf(resource, object),
      };
      return write(attemptOf('update', ref), call, options);
    },

    mergePatch: (ref, body, options) => patch(ref, body, 'application/merge-patch+json', options),

    jsonPatch(ref, resourceVersion, operations, options) {
      // Writing it back makes the API server compare it: 409, where a failed `test` would be a 422 like any bad input.
      const precondition = { op: 'replace', path: '/metadata/resourceVersion', value: resourceVersion };
      return patch(ref, [precondition, ...operations], 'application/json-patch+json', options);
    },

    async delete({ uid, ...ref }, options) {
      const body = uid === undefined ? {} : { preconditions: { uid } };
      try {
        await requester.json(attemptOf('delete', ref), { method: 'DELETE', path: objectPath(ref), body }, options);
        return true;
      } catch (error) {
        if (isKubeError(error, 'KubeNotFound')) return false;
        throw error;
      }
    },

    async *watch(selection, { resourceVersion, timeoutSeconds, idleMs, signal }) {
      const attempt = attemptOf('watch', selection);
      const query = {
        ...queryOf(selection),
        watch: 'true',
        allowWatchBookmarks: 'true',
        resourceVersion,
        timeoutSeconds: String(timeoutSeconds),
      };
      const response = await requester.stream(
        attempt,
        { method: 'GET', path: collectionPath(selection), query },
        signal,
      );
      yield* watchEvents(attempt, response, { clock: requester.clock, idleMs, signal });
    },

    close() {
      requester.close();
    },
  };
}

function queryOf({ fieldSelector, labelSelector }: Selection) {
  return { fieldSelector, labelSelector };
}

function attemptOf(verb: Attempt['verb'], target: ObjectRef | Selection): Attempt {
  return { verb, resource: target.resource, target: describeTarget(target) };
}

function refOf(resource: Resource, { metadata: { name, namespace } }: ObjectBody): ObjectRef {
  return { resource, name, namespace };
}

function bodyOf(resource: Resource, object: ObjectBody): KubeObject {
  return { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind };
}
