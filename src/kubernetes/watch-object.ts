// What does this one object say? A reflector over its name, for which a Role that names the object suffices.
import type { KubeError } from './kube-error.ts';
import type { KubeObject, ObjectRef } from './kube-object.ts';
import { Reflector, type ReflectorOptions } from './reflector.ts';

export interface WatchObjectOptions extends Omit<ReflectorOptions, 'report'> {
  /** Told the object now, at every change, and again after an error; undefined while there is none. */
  readonly report: (found: KubeObject | KubeError | undefined) => void;
}

/** Until the signal aborts; never rejects. */
export function watchObject(
  { resource, namespace, name }: ObjectRef,
  { report, ...options }: WatchObjectOptions,
  signal: AbortSignal,
): Promise<void> {
  const selection = { resource, namespace, fieldSelector: `metadata.name=${name}` };
  const reflector = new Reflector(selection, {
    ...options,
    report: (found) => {
      report(found instanceof Error ? found : [...found.values()][0]);
    },
  });
  return reflector.run(signal);
}
