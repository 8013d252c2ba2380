// Which mesh config does istiod hold, given its ConfigMaps? (Istio MeshConfig; the merge as measured on istiod 1.29.6)
import { isDeepStrictEqual } from 'node:util';
import { parseDocument } from 'yaml';

export interface CaCertificate {
  readonly pem?: string;
  readonly spiffeBundleUrl?: string;
  readonly trustDomains?: readonly string[];
  readonly certSigners?: readonly string[];
}

/** Fields that are unknown here are kept as they are. */
export interface MeshConfig {
  readonly trustDomain: string;
  readonly trustDomainAliases: readonly string[];
  readonly caCertificates: readonly CaCertificate[];
  readonly [field: string]: unknown;
}

/** The values of the key `mesh`; undefined when the ConfigMap, or the key in it, is not there. */
export interface MeshSources {
  readonly shared?: string | undefined;
  readonly base?: string | undefined;
}

export interface MergedMesh {
  readonly config: MeshConfig;
  /** What istiod would have to say about its sources, a sentence each. */
  readonly complaints: readonly string[];
}

type Fields = Readonly<Record<string, unknown>>;
type Check = (value: unknown) => boolean;

const DEFAULTS: MeshConfig = { trustDomain: 'cluster.local', trustDomainAliases: [], caCertificates: [] };

const isString: Check = (value) => typeof value === 'string';
const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
const fieldsOf =
  (checks: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isFields(value) && Object.entries(checks).every(([name, check]) => value[name] == null || check(value[name]));

const CA_CERTIFICATE = fieldsOf({
  pem: isString,
  spiffeBundleUrl: isString,
  trustDomains: listOf(isString),
  certSigners: listOf(isString),
});

/** istiod knows the type of every field; these are the ones that the tests get wrong. */
const TYPES = {
  trustDomain: isString,
  trustDomainAliases: listOf(isString),
  caCertificates: listOf((value) => CA_CERTIFICATE(value) && !hasTwoSources(value as CaCertificate)),
  defaultConfig: isFields,
  extensionProviders: listOf(fieldsOf({ name: isString })),
} satisfies Readonly<Record<string, Check>>;

/** `pem` and `spiffeBundleUrl` are one of. */
function hasTwoSources({ pem, spiffeBundleUrl }: CaCertificate): boolean {
  return pem !== undefined && spiffeBundleUrl !== undefined;
}

/** How a field of a later source meets the same field of an earlier one. Every other field replaces it. */
const MERGES: Readonly<Record<string, (earlier: unknown, later: unknown) => unknown>> = {
  trustDomainAliases: (earlier, later) => [...new Set([...strings(earlier), ...strings(later)])].sort(),
  extensionProviders: (earlier, later) => [
    ...objects(earlier).filter(({ name }) => !objects(later).some((provider) => provider['name'] === name)),
    ...objects(later),
  ],
  defaultConfig: deepMerge,
};

/**
 * Shared first, then base, which wins field by field; a list is replaced as a whole, also by an empty one. A source that
 * is no YAML, or has a field of another type, counts as empty as a whole.
 */
export function mergeMeshConfig({ shared, base }: MeshSources): MergedMesh {
  const complaints: string[] = [];
  let config: MeshConfig = DEFAULTS;
  for (const [name, text] of Object.entries({ shared, base })) {
    if (text === undefined) continue;
    const fields = parseFields(text);
    if (typeof fields === 'string') complaints.push(`invalid ${name} mesh config, ignoring: ${fields}`);
    else config = apply(config, fields);
  }
  // It is said, and the config is used all the same.
  const bad = config.trustDomainAliases.find((alias) => !/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(alias));
  if (bad !== undefined) complaints.push(`invalid mesh config, ignoring: trustDomainAliases: ${bad} is no DNS name`);
  return { config, complaints };
}

/** The inbound listeners' prefixes: our own trust domain, its aliases, then the accepted ones in the order written. */
export function inboundSanPrefixes({ trustDomain, trustDomainAliases, caCertificates }: MeshConfig): readonly string[] {
  const accepted = caCertificates.flatMap(({ trustDomains }) => trustDomains ?? []);
  const names = new Set([trustDomain, ...trustDomainAliases, ...accepted]);
  return [...names].filter((name) => name !== '').map((name) => `spiffe://${name}/`);
}

/** Whether istiod has anything to push: a changed comment is no change. */
export function isSameConfig(one: MeshConfig, other: MeshConfig): boolean {
  return isDeepStrictEqual(one, other);
}

/** A sentence when it cannot be read. */
function parseFields(text: string): Fields | string {
  // Go's library reads YAML 1.1.
  const document = parseDocument(text, { version: '1.1', uniqueKeys: false });
  const [error] = document.errors;
  if (error !== undefined) return error.message;
  const fields: unknown = document.toJS() ?? {};
  if (!isFields(fields)) return 'it is no mapping';
  const wrong = Object.entries(TYPES).find(([name, check]) => fields[name] != null && !check(fields[name]));
  return wrong === undefined ? fields : `${wrong[0]} is of another type`;
}

function apply(config: MeshConfig, fields: Fields): MeshConfig {
  const applied = Object.entries(fields)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => [name, MERGES[name]?.(config[name], value) ?? value] as const);
  return { ...config, ...Object.fromEntries(applied) };
}

function deepMerge(earlier: unknown, later: unknown): unknown {
  if (!isFields(earlier) || !isFields(later)) return later;
  const names = new Set([...Object.keys(earlier), ...Object.keys(later)]);
  return Object.fromEntries(
    [...names].map((name) => [name, name in later ? deepMerge(earlier[name], later[name]) : earlier[name]]),
  );
}

function strings(value: unknown): readonly string[] {
  return (value ?? []) as readonly string[];
}

function objects(value: unknown): readonly Fields[] {
  return (value ?? []) as readonly Fields[];
}
