// What does an operator ask for by an annotation of an object? Verbs, for `kubectl annotate --overwrite`.
import { PEER_ANNOTATIONS } from '../federation/peer-annotations.ts';
import { PEER_API } from '../federation/peer-api.ts';
import type { KubeObject } from './kube-object.ts';

/** The values of `refresh` and `rebootstrap` mean nothing; a new one is a new request. */
export const ANNOTATIONS = {
  ...PEER_ANNOTATIONS,
  refresh: `${PEER_API.group}/refresh`,
  rebootstrap: `${PEER_API.group}/rebootstrap`,
} as const;

/** Its value; undefined without the annotation. */
export function annotationOf({ metadata }: KubeObject, verb: keyof typeof ANNOTATIONS): string | undefined {
  return metadata.annotations?.[ANNOTATIONS[verb]];
}
