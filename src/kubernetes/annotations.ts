// What does an operator ask for by an annotation? Verbs, for `kubectl annotate --overwrite`, beside what spec declares.
import { PEER_API } from '../federation/peer-declaration.ts';
import type { KubeObject } from './kube-object.ts';

/** Each a verb. The values of `refresh` and `rebootstrap` mean nothing; a new one is a new request. */
export const ANNOTATIONS = {
  acceptDigest: `${PEER_API.group}/accept-digest`,
  refresh: `${PEER_API.group}/refresh`,
  rebootstrap: `${PEER_API.group}/rebootstrap`,
} as const;

const DIGEST = /^[0-9a-f]{64}$/i;

export type AcceptDigest = { readonly digest: string | undefined } | { readonly fault: string };

/** The digest in lower case; undefined: none is asked for. */
export function acceptDigestOf(object: KubeObject): AcceptDigest {
  const value = annotationOf(object, 'acceptDigest');
  if (value === undefined || DIGEST.test(value)) return { digest: value?.toLowerCase() };
  const demand = 'must be the SHA-256 of the bundle to accept: 64 hexadecimal digits; it is not looked at';
  return { fault: `metadata.annotations.${ANNOTATIONS.acceptDigest}: ${demand}` };
}

/** Its value; undefined without the annotation. */
export function annotationOf({ metadata }: KubeObject, verb: keyof typeof ANNOTATIONS): string | undefined {
  return metadata.annotations?.[ANNOTATIONS[verb]];
}
