// What does a watch of the fake API server send? Changes since a version, then as they happen, and bookmarks.
import type { ServerResponse } from 'node:http';
import { apiVersionOf, resourceName } from '../../src/kubernetes/kube-object.ts';
import { statusObject } from './fake-api-faults.ts';
import type { Change, FakeApiStore, ServedResource, StoredObject } from './fake-api-store.ts';

export interface WatchParameters {
  readonly resource: ServedResource;
  readonly matches: (object: StoredObject) => boolean;
  /** Undefined: what there is now comes first. */
  readonly sinceVersion: number | undefined;
  readonly timeoutMs: number;
  readonly bookmarks: boolean;
  readonly initial: readonly StoredObject[];
}

/** Returns how to send a bookmark. */
export function serveWatch(
  store: FakeApiStore,
  response: ServerResponse,
  { resource, matches, sinceVersion, timeoutMs, bookmarks, initial }: WatchParameters,
): () => void {
  response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
  const send = (type: string, object: unknown) => response.write(`${JSON.stringify({ type, object })}\n`);
  const sendChange = (change: Change) => {
    if (resourceName(change.resource) !== resourceName(resource)) return;
    const event = eventFor(change, matches);
    if (event !== undefined) send(event, change.object);
  };
  const past = sinceVersion === undefined ? [] : store.changesSince(sinceVersion);
  if (past === undefined) {
    const text = `too old resource version: ${sinceVersion} (${store.oldestVersion})`;
    send('ERROR', statusObject(410, 'Expired', text));
    response.end();
    return () => undefined;
  }
  if (sinceVersion === undefined) for (const object of initial) send('ADDED', object);
  for (const change of past) sendChange(change);
  const stopListening = store.onChange(sendChange);
  const sendBookmark = () => {
    const { kind } = resource;
    const apiVersion = apiVersionOf(resource);
    const metadata = { resourceVersion: String(store.version), creationTimestamp: null };
    if (bookmarks) send('BOOKMARK', { kind, apiVersion, metadata });
  };
  const timer = setTimeout(() => {
    sendBookmark();
    response.end();
  }, timeoutMs);
  response.on('close', () => {
    stopListening();
    clearTimeout(timer);
  });
  return sendBookmark;
}

/** To a watch of a selection an object that leaves it looks deleted. */
function eventFor({ type, object, before }: Change, matches: (object: StoredObject) => boolean): string | undefined {
  const now = type !== 'DELETED' && matches(object);
  const then = before !== undefined && matches(before);
  if (now) return then ? 'MODIFIED' : 'ADDED';
  return then ? 'DELETED' : undefined;
}
