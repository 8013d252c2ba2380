// Which ConfigMaps and Secrets do gateways, destination rules and the Gateway API take roots from? None of them may be
// deleted: a new listener would wait for it for ever. (credential names of Istio 1.28 and later; caCertificateRefs)
import type { Fact } from '../federation/facts.ts';
import { meshObjectKey, type MeshObjectRef } from '../federation/mesh-objects.ts';
import type { MeshSurvey } from '../federation/mesh-survey.ts';

type Named = Pick<MeshSurvey, 'gateways' | 'destinationRules' | 'gatewayApi'>;

/**
 * As `Kind/namespace/name`. Which namespace a plain name means depends on where the gateway's pods are, which is not
 * known here: it counts in each of `secretNamespaces`, those in which there are Secrets of ours.
 */
export function referencedCas(
  { gateways, destinationRules, gatewayApi }: Named,
  secretNamespaces: ReadonlySet<string>,
  now: Date,
): Fact<ReadonlySet<string>> {
  const facts = [gateways, destinationRules, gatewayApi];
  const unread = facts.find((fact) => fact?.state === 'Unreadable');
  if (unread?.state === 'Unreadable') return unread;
  const names = [
    ...valuesOf(gateways).flatMap(({ servers }) => servers.flatMap(({ credentialNames }) => credentialNames)),
    ...valuesOf(destinationRules).flatMap(({ credentialNames }) => credentialNames),
  ];
  const objects = [
    ...names.flatMap((name) => objectsOf(name, secretNamespaces)),
    ...valuesOf(gatewayApi).flatMap(({ caObjects }) => caObjects.flatMap(objectsAt)),
  ];
  const at = facts.find((fact) => fact !== undefined)?.at ?? now;
  return { state: 'Known', value: new Set(objects), at };
}

function valuesOf<T>(fact: Fact<readonly T[]> | undefined): readonly T[] {
  return fact?.state === 'Known' ? fact.value : [];
}

/** Istio reads a Secret by the rules for credential names here too. */
function objectsAt({ kind, namespace, name }: MeshObjectRef): readonly string[] {
  return kind === 'Secret' ? secretsOf(name, [namespace]) : [meshObjectKey({ kind, namespace, name })];
}

/** `<name>-cacert` is looked for first, then the object of the name itself. */
function objectsOf(credential: string, secretNamespaces: ReadonlySet<string>): readonly string[] {
  const [, scheme = '', rest = ''] = /^(?:([a-z-]+):\/\/)?(.*)$/.exec(credential) ?? [];
  const [namespace = '', name] = rest.split('/');
  switch (scheme) {
    case 'configmap':
      return name === undefined ? [] : [`ConfigMap/${namespace}/${name}`];
    case 'kubernetes-gateway':
      return name === undefined ? [] : secretsOf(name, [namespace]);
    case '':
    case 'kubernetes':
      return name === undefined ? secretsOf(rest, secretNamespaces) : secretsOf(name, [namespace]);
    default:
      return [];
  }
}

function secretsOf(name: string, namespaces: Iterable<string>): readonly string[] {
  return [...namespaces].flatMap((namespace) => [`Secret/${namespace}/${name}`, `Secret/${namespace}/${name}-cacert`]);
}
