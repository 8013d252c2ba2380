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

/** Names of the ConfigMaps that the container mounts, whole or in part, each once. */
export function configMapsOf(podSpec: unknown, { volumeMounts }: Fields): readonly string[] {
  const mounted = new Set(listOf(volumeMounts).map(({ name }) => name));
  const names = listOf(fieldsOf(podSpec)['volumes'])
    .filter(({ name }) => mounted.has(name))
    .flatMap((volume) => [volume, ...listOf(fieldsOf(volume['projected'])['sources'])])
    .flatMap(({ configMap }) => textOf(fieldsOf(configMap)['name']) ?? []);
  return [...new Set(names)];
}

export function listOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}
