// What does every sentence of the API server's contract talk to?
import { randomBytes } from 'node:crypto';
import { systemClock } from '../../src/federation/clock.ts';
import type { ApiCall } from '../../src/kubernetes/api-connection.ts';
import { openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import { CONFIG_MAPS } from '../../src/kubernetes/core-resources.ts';
import { KubeError, type KubeErrorCode } from '../../src/kubernetes/kube-error.ts';
import {
  describeTarget,
  objectPath,
  type KubeObject,
  type ObjectBody,
  type ObjectRef,
  type Resource,
  type Selection,
} from '../../src/kubernetes/kube-object.ts';
import { kubeconfigAccess, type KubeconfigFile } from '../../src/kubernetes/kubeconfig.ts';
import { Requester } from '../../src/kubernetes/requester.ts';
import { serviceAccountAccess, type ServiceAccount } from '../../src/kubernetes/service-account.ts';
import type { WatchEvent } from '../../src/kubernetes/watch-stream.ts';

/** A running API server, real or fake, that serves Beacons. */
export interface RunningApi {
  /** Of a user who may do everything. */
  readonly admin: KubeconfigFile | ServiceAccount;
  /** Of a user who may do nothing. */
  readonly stranger: KubeconfigFile | ServiceAccount;
  stop(): Promise<void>;
}

/** Belongs to no namespace and has a status; `spec.colour` is required. */
export const BEACONS: Resource = {
  group: 'stack.test',
  version: 'v1',
  plural: 'beacons',
  kind: 'Beacon',
  namespaced: false,
};

export const NAMESPACE = 'default';

export interface Subject {
  readonly api: ApiServer;
  readonly stranger: ApiServer;
  /** Server-side apply of a Beacon as somebody else. */
  readonly applyAs: (manager: string, object: ObjectBody) => Promise<unknown>;
  /** A merge patch as somebody else, as `kubectl edit` does it. */
  readonly editAs: (manager: string, ref: ObjectRef, patch: object) => Promise<unknown>;
  close(): void;
}

/** Long enough for any machine: a safety net, not a measure. */
const TIMEOUT_MS = 20_000;

export async function openSubject({ admin, stranger }: RunningApi): Promise<Subject> {
  const open = (access: RunningApi['admin']) => openApiServer({ access, clock: systemClock, timeoutMs: TIMEOUT_MS });
  const [api, strangersApi] = [await open(admin), await open(stranger)];
  const access = await ('path' in admin ? kubeconfigAccess(admin) : serviceAccountAccess(admin));
  const requester = new Requester(access, systemClock, TIMEOUT_MS);
  const patchAs = (manager: string, ref: ObjectRef, body: object, contentType: string) => {
    const query = { fieldManager: manager };
    const call: ApiCall = { method: 'PATCH', path: objectPath(ref), query, body, contentType };
    return requester.json({ verb: 'patch', resource: ref.resource, target: describeTarget(ref) }, call);
  };
  return {
    api,
    stranger: strangersApi,
    applyAs: (manager, object) => {
      const body = { ...object, apiVersion: 'stack.test/v1', kind: 'Beacon' };
      return patchAs(manager, beaconRef(object.metadata.name), body, 'application/apply-patch+yaml');
    },
    editAs: (manager, ref, patch) => patchAs(manager, ref, patch, 'application/merge-patch+json'),
    close() {
      api.close();
      strangersApi.close();
      requester.close();
    },
  };
}

/** A name nobody has used: the sentences share one server. */
export function freshName(): string {
  return `contract-${randomBytes(6).toString('hex')}`;
}

export function beaconRef(name: string): ObjectRef {
  return { resource: BEACONS, name };
}

/** A Beacon that the API server accepts. */
export function beacon(name: string, spec: object = {}, metadata: object = {}): ObjectBody {
  return { metadata: { name, ...metadata }, spec: { colour: 'red', ...spec } };
}

export function configMapRef(name: string): ObjectRef {
  return { resource: CONFIG_MAPS, namespace: NAMESPACE, name };
}

export function configMap(name: string, data: object = {}, metadata: object = {}): ObjectBody {
  return { metadata: { name, namespace: NAMESPACE, ...metadata }, data };
}

/** What every object of an API server has and the type, for bodies of authors, does not promise. */
export function versionOf({ metadata: { resourceVersion } }: KubeObject): string {
  if (resourceVersion === undefined) throw new Error('it has no resourceVersion');
  return resourceVersion;
}

/** For `assert.rejects`: this code, and a message that has this text. */
export function kubeError(code: KubeErrorCode, text: string | RegExp = ''): (error: unknown) => boolean {
  return (error) => {
    if (!(error instanceof KubeError)) throw error;
    const says = typeof text === 'string' ? error.message.includes(text) : text.test(error.message);
    if (error.code === code && says) return true;
    throw new Error(`expected ${code} with ${String(text)}, got ${error.code}: ${error.message}`);
  };
}

export interface WatchSpan {
  /** A resourceVersion. */
  readonly since: string;
  /** The API server ends the watch after so long. */
  readonly seconds: number;
  /** The watch is left after so many events, by default when it ends. */
  readonly count?: number;
  readonly onceItStands?: () => Promise<unknown>;
}

export async function eventsOf(
  api: ApiServer,
  selection: Selection,
  { since, seconds, count = Infinity, onceItStands }: WatchSpan,
): Promise<readonly WatchEvent[]> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const request = { resourceVersion: since, timeoutSeconds: seconds, idleMs: TIMEOUT_MS, signal };
  const events: WatchEvent[] = [];
  let standing: Promise<unknown> | undefined;
  for await (const batch of api.watch(selection, request)) {
    standing ??= onceItStands?.();
    events.push(...batch);
    if (events.length >= count) break;
  }
  await standing;
  return events;
}
