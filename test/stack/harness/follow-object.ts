// What does one Kubernetes object hold at every moment, as a controller's informer sees it? (list, then watch)
import { get } from 'node:https';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import type { Cleanup } from './cleanup.ts';
import { kubeConnection, kubeRequest } from './kube-request.ts';

export interface ObjectPlace {
  readonly resource: 'configmaps' | 'secrets';
  readonly namespace: string;
  readonly name: string;
}

/** A ConfigMap, or a Secret with its values in Base64. */
export interface DataObject {
  readonly metadata: {
    readonly uid: string;
    readonly resourceVersion: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly data?: Readonly<Record<string, string>>;
}

interface ObjectList {
  readonly metadata: { readonly resourceVersion: string };
  readonly items: readonly DataObject[];
}

interface WatchEvent {
  readonly type: string;
  readonly object: DataObject;
}

const AGAIN_AFTER_MS = 200;

/**
 * Calls `onChange` with the object, or undefined when there is none, before it resolves and after every change. While the
 * API server is away the last state stays.
 */
export async function followObject(
  cleanup: Cleanup,
  kubeconfigPath: string,
  { resource, namespace, name }: ObjectPlace,
  onChange: (object: DataObject | undefined) => void,
): Promise<void> {
  const stopped = new AbortController();
  const path = `/api/v1/namespaces/${namespace}/${resource}?fieldSelector=metadata.name%3D${name}`;

  const list = async (): Promise<string> => {
    const { status, body } = await kubeRequest(kubeconfigPath, { path });
    if (status !== 200) throw new Error(`the list of ${resource} answered ${status}`);
    const { metadata, items } = JSON.parse(body) as ObjectList;
    onChange(items[0]);
    return metadata.resourceVersion;
  };
  const watch = async (resourceVersion: string): Promise<void> => {
    for await (const line of watchLines(
      kubeconfigPath,
      `${path}&watch=1&resourceVersion=${resourceVersion}`,
      stopped,
    )) {
      const { type, object } = JSON.parse(line) as WatchEvent;
      if (type === 'ERROR') return;
      onChange(type === 'DELETED' ? undefined : object);
    }
  };

  const first = await list();
  const following = (async () => {
    let version: string | undefined = first;
    while (!stopped.signal.aborted) {
      if (version === undefined) await pause(AGAIN_AFTER_MS);
      else await watch(version).catch(() => undefined);
      version = await list().catch(() => undefined);
    }
  })();
  cleanup.add(async () => {
    stopped.abort();
    await following;
  });
}

/** Ends when the server ends the watch. */
async function* watchLines(
  kubeconfigPath: string,
  path: string,
  { signal }: AbortController,
): AsyncGenerator<string, void, undefined> {
  const { server, options, headers } = kubeConnection(kubeconfigPath);
  const answer = await new Promise<NodeJS.ReadableStream>((resolve, reject) => {
    get(new URL(path, server), { ...options, headers, agent: false, signal }, resolve).once('error', reject);
  });
  yield* createInterface({ input: answer });
}
