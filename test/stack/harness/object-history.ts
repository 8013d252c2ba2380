// What became of one object, version by version? As a watch tells it, so that a write between two looks is not missed.
import type { Cleanup } from './cleanup.ts';
import { type DataObject, followObject, type ObjectPlace } from './follow-object.ts';
import type { KubeApiServer } from './kube-api-server.ts';

interface Version {
  /** By `performance.now()`. */
  readonly atMs: number;
  /** Undefined: there is none. */
  readonly object: DataObject | undefined;
}

export interface ObjectHistory {
  /** The first is how it was at the start. */
  readonly versions: readonly Version[];
  readonly current: () => DataObject | undefined;
  /** How often it was written or deleted since the start. */
  readonly changes: () => number;
}

export async function recordObject(
  cleanup: Cleanup,
  { kubeconfigPath }: Pick<KubeApiServer, 'kubeconfigPath'>,
  place: ObjectPlace,
): Promise<ObjectHistory> {
  const versions: Version[] = [];
  await followObject(cleanup, kubeconfigPath, place, (object) => {
    const last = versions.at(-1);
    const isSeen = last !== undefined && last.object?.metadata.resourceVersion === object?.metadata.resourceVersion;
    if (!isSeen) versions.push({ atMs: performance.now(), object });
  });
  return {
    versions,
    current: () => versions.at(-1)?.object,
    changes: () => versions.length - 1,
  };
}
