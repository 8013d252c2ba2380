// What do the containers of a pod get: variables and mounts? (core v1 PodSpec)
import { fieldsOf, textOf } from './object-fields.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Those that start before the others too: a sidecar can be one of them (`restartPolicy: Always`). */
export function containersOf(podSpec: unknown): readonly Fields[] {
  const { initContainers, containers } = fieldsOf(podSpec);
  return [...listOf(initContainers), ...listOf(containers)];
}

export interface Variable {
  readonly name: string;
  /** Undefined: it is taken from another object. */
  readonly value: string | undefined;
}

export function environmentOf({ env }: Fields): readonly Variable[] {
  return listOf(env).flatMap(({ name, value, valueFrom }) => {
    if (textOf(name) === undefined) return [];
    return [{ name: String(name), value: valueFrom === undefined ? (textOf(value) ?? '') : undefined }];
  });
}

/** The volume that the container sees at a path, as the pod declares it. */
export function volumeAt(podSpec: unknown, { volumeMounts }: Fields, path: RegExp): Fields | undefined {
  const mount = listOf(volumeMounts).find(({ mountPath }) => path.test(textOf(mountPath) ?? ''));
  return mount && listOf(fieldsOf(podSpec)['volumes']).find(({ name }) => name === mount['name']);
}

export function listOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}
