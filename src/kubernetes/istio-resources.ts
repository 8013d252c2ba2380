// What do Istio's own resources say that federation depends on? Each reduced as it is read. (Istio 1.31: security.istio.io
// and networking.istio.io, v1)
import {
  POLICY_SOURCE_FIELDS,
  type AuthorizationPolicy,
  type MeshDestinationRule,
  type MeshGateway,
  type MeshPlace,
  type MeshServiceEntry,
  type PolicyRule,
  type PolicySource,
  type PolicySourceField,
} from '../federation/mesh-survey.ts';
import type { KubeObject, Resource } from './kube-object.ts';
import { fieldsOf, textOf, textsOf } from './object-fields.ts';
import { listOf } from './pod-template.ts';

type Fields = Readonly<Record<string, unknown>>;

export const AUTHORIZATION_POLICIES = istioResource('security', 'authorizationpolicies', 'AuthorizationPolicy');
export const GATEWAYS = istioResource('networking', 'gateways', 'Gateway');
export const SERVICE_ENTRIES = istioResource('networking', 'serviceentries', 'ServiceEntry');
export const DESTINATION_RULES = istioResource('networking', 'destinationrules', 'DestinationRule');

/** Keys of `when` that are about identities, and the lists of a source that mean the same. */
const IDENTITY_CONDITIONS: Readonly<Record<string, readonly [PolicySourceField, PolicySourceField]>> = {
  'source.principal': ['principals', 'notPrincipals'],
  'source.namespace': ['namespaces', 'notNamespaces'],
  'source.serviceAccount': ['serviceAccounts', 'notServiceAccounts'],
};

export function authorizationPolicyOf({ metadata, ...object }: KubeObject): AuthorizationPolicy {
  const { action, selector, targetRef, targetRefs, rules } = fieldsOf(object['spec']);
  return {
    ...placeOf(metadata),
    action: textOf(action) ?? 'ALLOW',
    isSelective:
      Object.keys(fieldsOf(fieldsOf(selector)['matchLabels'])).length > 0 ||
      targetRef !== undefined ||
      listOf(targetRefs).length > 0,
    rules: listOf(rules).map(ruleOf),
  };
}

function ruleOf({ from, to, when }: Fields): PolicyRule {
  const written = listOf(from).map(({ source }) => fieldsOf(source));
  const conditions = listOf(when).map(conditionOf);
  const identityFields: ReadonlySet<string> = new Set(POLICY_SOURCE_FIELDS);
  return {
    sources: written.map(sourceOf),
    conditions: conditions.filter((condition) => condition !== undefined),
    isAboutIdentitiesAlone:
      listOf(to).length === 0 &&
      !conditions.includes(undefined) &&
      written.every((source) => Object.keys(source).every((field) => identityFields.has(field))),
  };
}

function sourceOf(source: Fields): PolicySource {
  const lists = POLICY_SOURCE_FIELDS.map((field) => [field, textsOf(source[field])]);
  return Object.fromEntries(lists) as PolicySource;
}

function conditionOf({ key, values, notValues }: Fields): PolicySource | undefined {
  const fields = IDENTITY_CONDITIONS[textOf(key) ?? ''];
  return fields && sourceOf({ [fields[0]]: values, [fields[1]]: notValues });
}

export function gatewayOf({ metadata, ...object }: KubeObject): MeshGateway {
  const servers = listOf(fieldsOf(object['spec'])['servers']).map(({ port, tls }) => {
    const { mode, credentialName, credentialNames, caCertCredentialName } = fieldsOf(tls);
    const { number } = fieldsOf(port);
    return {
      // PASSTHROUGH is the API's default.
      tlsMode: tls === undefined ? undefined : (textOf(mode) ?? 'PASSTHROUGH'),
      port: typeof number === 'number' ? number : undefined,
      credentialNames: textsOf([credentialName, ...textsOf(credentialNames), caCertCredentialName]),
    };
  });
  return { ...placeOf(metadata), servers };
}

export function serviceEntryOf({ metadata, ...object }: KubeObject): MeshServiceEntry {
  const { hosts, location, subjectAltNames } = fieldsOf(object['spec']);
  return {
    ...placeOf(metadata),
    hosts: textsOf(hosts),
    location: textOf(location) ?? 'MESH_EXTERNAL',
    subjectAltNames: textsOf(subjectAltNames),
  };
}

export function destinationRuleOf({ metadata, ...object }: KubeObject): MeshDestinationRule {
  const { host, trafficPolicy, subsets } = fieldsOf(object['spec']);
  const wholeHost = fieldsOf(fieldsOf(trafficPolicy)['tls']);
  const policies = [trafficPolicy, ...listOf(subsets).map((subset) => subset['trafficPolicy'])].map(fieldsOf);
  const allTls = policies.flatMap(({ tls, portLevelSettings }) => [
    fieldsOf(tls),
    ...listOf(portLevelSettings).map((port) => fieldsOf(port['tls'])),
  ]);
  return {
    ...placeOf(metadata),
    host: textOf(host) ?? '',
    credentialNames: textsOf(allTls.map(({ credentialName }) => credentialName)),
    tlsMode: textOf(wholeHost['mode']),
    subjectAltNames: textsOf(wholeHost['subjectAltNames']),
  };
}

function placeOf({ name, namespace = '' }: KubeObject['metadata']): MeshPlace {
  return { namespace, name };
}

function istioResource(group: 'security' | 'networking', plural: string, kind: string): Resource {
  return { group: `${group}.istio.io`, version: 'v1', plural, kind, namespaced: true };
}
