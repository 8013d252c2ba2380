// What does a request to the fake API server mean: which verb on which object, and what does it do to the store?
import type { IncomingMessage } from 'node:http';
import { isRecord, type Json } from './fake-api-json.ts';
import { noVersion, Refusal } from './fake-api-refusals.ts';
import {
  PATCH_TYPES,
  type FakeApiStore,
  type Place,
  type ServedResource,
  type StoredObject,
} from './fake-api-store.ts';

export interface Access {
  readonly user: string;
  readonly verb: string;
  /** With its subresource, for example `peertrustdomains/status`. */
  readonly resource: string;
  readonly name: string | undefined;
}

export interface RequestRecord extends Access {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly contentType: string | undefined;
}

export interface Routed extends RequestRecord {
  readonly served: ServedResource;
  readonly namespace: string | undefined;
  readonly subresource: 'status' | undefined;
  readonly method: string;
}

const VERBS: Readonly<Record<string, string>> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };
export function route(request: IncomingMessage, served: readonly ServedResource[], user: string): Routed | undefined {
  const url = new URL(request.url ?? '/', 'https://fake');
  const parts = url.pathname.split('/').slice(1).map(decodeURIComponent);
  const group = parts[0] === 'api' ? '' : parts[1];
  const [version, ...rest] = parts.slice(parts[0] === 'api' ? 1 : 2);
  const namespace = rest[0] === 'namespaces' && rest.length > 2 ? rest[1] : undefined;
  const [plural, name, subresource] = namespace === undefined ? rest : rest.slice(2);
  const found = served.find((each) => each.group === group && each.version === version && each.plural === plural);
  if (found === undefined || (subresource !== undefined && (subresource !== 'status' || found.hasStatus !== true))) {
    return undefined;
  }
  const method = request.method ?? '';
  const reads = url.searchParams.get('watch') === 'true' ? 'watch' : name === undefined ? 'list' : 'get';
  return {
    user,
    method,
    verb: method === 'GET' ? reads : (VERBS[method] ?? method),
    resource: subresource === undefined ? found.plural : `${found.plural}/${subresource}`,
    name: name ?? /^metadata\.name=(.+)$/.exec(url.searchParams.get('fieldSelector') ?? '')?.[1],
    path: url.pathname,
    query: url.searchParams,
    contentType: request.headers['content-type'],
    served: found,
    namespace,
    subresource,
  };
}

export function write(routed: Routed, body: unknown, store: FakeApiStore): { code: number; object: unknown } {
  const { verb, served, namespace, subresource, query, contentType = '' } = routed;
  const object = isRecord(body) ? body : {};
  const metadata = isRecord(object['metadata']) ? object['metadata'] : {};
  const name = verb === 'create' ? metadata['name'] : routed.name;
  if (typeof name !== 'string') throw new Refusal(422, 'Invalid', 'metadata.name: Required value');
  const place: Place = { resource: served, namespace, name, subresource };
  const manager = query.get('fieldManager') ?? 'unknown';
  switch (verb) {
    case 'get':
      return { code: 200, object: store.get(place) };
    case 'create':
      return { code: 201, object: store.create(place, object, manager) };
    case 'update':
      // The core group's are replaced also by who has not read them.
      if (served.group !== '' && metadata['resourceVersion'] === undefined) throw noVersion(place);
      return { code: 200, object: store.replace(place, object, manager) };
    case 'delete':
      return deleted(place, object, store);
    case 'patch':
      return { code: 200, object: patched(place, contentType, body, manager, query.get('force') === 'true', store) };
    default:
      throw new Refusal(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource');
  }
}

function deleted(place: Place, options: Json, store: FakeApiStore): { code: number; object: unknown } {
  const preconditions = isRecord(options['preconditions']) ? options['preconditions'] : {};
  const uid = typeof preconditions['uid'] === 'string' ? preconditions['uid'] : undefined;
  const object = store.delete(place, uid);
  if (object.metadata['deletionTimestamp'] !== undefined) return { code: 200, object };
  const details = { name: place.name, kind: place.resource.plural, uid: object.metadata.uid };
  return { code: 200, object: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details } };
}

function patched(
  place: Place,
  contentType: string,
  body: unknown,
  manager: string,
  force: boolean,
  store: FakeApiStore,
): StoredObject {
  if (contentType === 'application/apply-patch+yaml' && isRecord(body)) return store.apply(place, body, manager, force);
  const type = PATCH_TYPES.find((each) => each === contentType);
  if (type !== undefined) return store.patch(place, type, body, manager);
  throw new Refusal(415, 'UnsupportedMediaType', 'the body of the request was in an unknown format');
}

export function selector({ query, name, namespace }: Routed): (object: StoredObject) => boolean {
  const labels = (query.get('labelSelector') ?? '').split(',').filter((text) => text !== '');
  return ({ metadata }) => {
    const held = isRecord(metadata['labels']) ? metadata['labels'] : {};
    return (
      (name === undefined || metadata.name === name) &&
      (namespace === undefined || metadata['namespace'] === namespace) &&
      labels.every((text) => held[text.split('=')[0]!] === text.split('=').at(-1))
    );
  };
}

export function forbidden({ user, verb, resource, name, served, namespace }: Routed): Refusal {
  const named = name === undefined ? '' : ` "${name}"`;
  const full = served.group === '' ? served.plural : `${served.plural}.${served.group}`;
  const scope = namespace === undefined ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  const text = `${full}${named} is forbidden: User "${user}" cannot ${verb} resource "${resource}" in API group "${served.group}" ${scope}`;
  return new Refusal(403, 'Forbidden', text);
}
