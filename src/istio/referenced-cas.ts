// Which ConfigMaps and Secrets do gateways and destination rules take roots from? None of them may be deleted: a new
// listener would wait for it for ever. (credential names of Istio 1.28 and later)
import type { Fact } from '../federation/facts.ts';
import type { MeshSurvey } from '../federation/mesh-survey.ts';

type Named = Pick<MeshSurvey, 'gateways' | 'destinationRules'>;

/**
 * As `Kind/namespace/name`. Which namespace a plain name means depends on where the gateway's pods are, which is not
 * known here: it counts in each of `secretNamespaces`, those in which there are Secrets of ours.
 */
export function referencedCas(
  { gateways, destinationRules }: Named,
  secretNamespaces: ReadonlySet<string>,
  now: Date,
): Fact<ReadonlySet<string>> {
  const unread = [gateways, destinationRules].find((fact) => fact?.state === 'Unreadable');
  if (unread?.state === 'Unreadable') return unread;
  const names = [
    ...valuesOf(gateways).flatMap(({ servers }) => servers.flatMap(({ credentialNames }) => credentialNames)),
    ...valuesOf(destinationRules).flatMap(({ credentialNames }) => credentialNames),
  ];
  const at = [gateways?.at, destinationRules?.at].find((each) => each !== undefined) ?? now;
  return { state: 'Known', value: new Set(names.flatMap((name) => objectsOf(name, secretNamespaces))), at };
}

function valuesOf<T>(fact: Fact<readonly T[]> | undefined): readonly T[] {
  return fact?.state === 'Known' ? fact.value : [];
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
