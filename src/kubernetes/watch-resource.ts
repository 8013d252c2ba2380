// Which objects of a kind that need not be installed are there? The reflector's reports, read into values.
import type { Clock } from '../federation/clock.ts';
import type { Report } from '../federation/ports.ts';
import type { ApiServer } from './api-server.ts';
import { isKubeError } from './kube-error.ts';
import type { KubeObject, Resource } from './kube-object.ts';
import { Reflector } from './reflector.ts';

export interface ResourceParts {
  readonly api: ApiServer;
  readonly clock: Clock;
  /** 0 ≤ random < 1. */
  readonly random: () => number;
  /** A fault of this program: a report could not be taken. */
  readonly onFault: (error: unknown) => void;
}

/**
 * Reports all, sorted by name, now and at every change, until the signal aborts; undefined while the API server does
 * not serve the resource, and an error while it cannot be read.
 */
export function watchResource<T>(
  resource: Resource,
  read: (object: KubeObject) => T,
  report: Report<readonly T[]>,
  { api, clock, random, onFault }: ResourceParts,
  signal: AbortSignal,
): Promise<void> {
  const reflector = new Reflector(
    { resource },
    {
      api,
      clock,
      random,
      report: (found) => {
        if (!(found instanceof Error)) report([...found.values()].sort(byName).map(read));
        else report(isKubeError(found, 'KubeResourceUnknown') ? undefined : found);
      },
      onHandlerFault: onFault,
    },
  );
  return reflector.run(signal);
}

function byName({ metadata: { name: a } }: KubeObject, { metadata: { name: b } }: KubeObject): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
