// Which mesh config does istiod make of our ConfigMap and its own? (measured on istiod 1.29.6; pkg/config/mesh)
import { parseDocument } from 'yaml';

/** One entry of `caCertificates`, as far as it matters here. */
export interface CaCertificate {
  readonly pem: string | undefined;
  readonly trustDomains: readonly string[];
  /** istiod fetches roots there itself; absent where it does not. */
  readonly spiffeBundleUrl?: string;
}

export interface MergedMesh {
  readonly trustDomain: string;
  readonly trustDomainAliases: readonly string[];
  readonly caCertificates: readonly CaCertificate[];
  /** Every field but `caCertificates`, merged. */
  readonly others: Readonly<Record<string, unknown>>;
  /** Whose `caCertificates` these are; undefined: nobody sets them. */
  readonly caCertificatesOf: 'Shared' | 'Base' | undefined;
  /** Why a source counts as if it were empty, as a whole. */
  readonly ignored: { readonly shared?: string; readonly base?: string };
}

/** The texts of the key `mesh`; undefined where there is none. */
export interface MeshSources {
  readonly shared: string | undefined;
  readonly base: string | undefined;
}

type Fields = Readonly<Record<string, unknown>>;
type Check = (value: unknown) => boolean;

/** What istiod calls its trust domain unless told otherwise. */
const DEFAULT_TRUST_DOMAIN = 'cluster.local';

const isText: Check = (value) => typeof value === 'string';
const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isListOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);

/** A field of another type makes istiod ignore the whole source. Fields that are not named here are not looked at. */
const TYPES: Readonly<Record<string, Check>> = {
  trustDomain: isText,
  trustDomainAliases: isListOf(isText),
  caCertificates: isListOf(isCaCertificate),
  defaultConfig: isFields,
  extensionProviders: isListOf(isFields),
};

/** How the same field of both sources becomes one; of any other, the base's replaces ours, lists as a whole. */
const MERGES: Readonly<Record<string, (shared: unknown, base: unknown) => unknown>> = {
  trustDomainAliases: (shared, base) => [...new Set([...listOf(shared), ...listOf(base)])],
  extensionProviders: (shared, base) => [
    ...listOf(shared).filter((one) => !listOf(base).some((other) => nameOf(other) === nameOf(one))),
    ...listOf(base),
  ],
  defaultConfig: mergeDeep,
};

/** Shared first, then base, which wins field by field. A null is as good as no field. */
export function mergeMesh({ shared, base }: MeshSources): MergedMesh {
  const ours = readFields(shared);
  const theirs = readFields(base);
  const merged: Record<string, unknown> = { ...ours.fields };
  for (const [name, value] of Object.entries(theirs.fields)) {
    merged[name] = name in merged ? (MERGES[name]?.(merged[name], value) ?? value) : value;
  }
  const { caCertificates, ...others } = merged;
  return {
    trustDomain: typeof merged['trustDomain'] === 'string' ? merged['trustDomain'] : DEFAULT_TRUST_DOMAIN,
    trustDomainAliases: listOf(merged['trustDomainAliases']) as readonly string[],
    caCertificates: listOf(caCertificates).map(readCaCertificate),
    others,
    caCertificatesOf:
      'caCertificates' in theirs.fields ? 'Base' : 'caCertificates' in ours.fields ? 'Shared' : undefined,
    ignored: {
      ...(ours.fault === undefined ? {} : { shared: ours.fault }),
      ...(theirs.fault === undefined ? {} : { base: theirs.fault }),
    },
  };
}

/** What a certificate's URI must begin with to pass any inbound listener, in istiod's order. */
export function inboundPrefixes({ trustDomain, trustDomainAliases, caCertificates }: MergedMesh): readonly string[] {
  const accepted = caCertificates.flatMap(({ trustDomains }) => trustDomains);
  const names = new Set([trustDomain, ...trustDomainAliases, ...accepted]);
  return [...names].map((name) => `spiffe://${name}/`);
}

function readFields(text: string | undefined): { readonly fields: Fields; readonly fault?: string } {
  if (text === undefined) return { fields: {} };
  const document = parseDocument(text, { version: '1.1', uniqueKeys: false, logLevel: 'silent' });
  const [error] = document.errors;
  if (error !== undefined) return { fields: {}, fault: `it is no YAML: ${firstLine(error.message)}` };
  const value: unknown = document.toJS({ maxAliasCount: 100 }) ?? {};
  if (!isFields(value)) return { fields: {}, fault: 'it is no mapping of fields' };
  const repeated = repeatedField(value);
  if (repeated !== undefined) return { fields: {}, fault: `it has ${repeated} twice, by both of its names` };
  const fields = byJsonNames(value);
  const wrong = Object.keys(TYPES).find((name) => name in fields && TYPES[name]?.(fields[name]) === false);
  return wrong === undefined ? { fields } : { fields: {}, fault: `its ${wrong} is of another type` };
}

/**
 * Protobuf's JSON takes a field by either of its names, `caCertificates` and `ca_certificates`. A null is no field. Of one
 * message alone: names in a map are data.
 */
function byJsonNames(message: Fields): Fields {
  return Object.fromEntries(writtenIn(message).map(([name, value]) => [jsonName(name), value]));
}

/** By both of its names, which protobuf refuses. */
function repeatedField(message: Fields): string | undefined {
  const names = writtenIn(message).map(([name]) => jsonName(name));
  return names.find((name, index) => names.indexOf(name) < index);
}

function writtenIn(message: Fields): readonly (readonly [string, unknown])[] {
  return Object.entries(message).filter(([, value]) => value !== null);
}

function jsonName(name: string): string {
  return name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** `pem` and `spiffeBundleUrl` are one of. */
function isCaCertificate(written: unknown): boolean {
  if (!isFields(written)) return false;
  if (repeatedField(written) !== undefined) return false;
  const value = byJsonNames(written);
  const isAbsentOr = (name: string, check: Check) => value[name] == null || check(value[name]);
  const hasBoth = value['pem'] != null && value['spiffeBundleUrl'] != null;
  return (
    !hasBoth &&
    ['pem', 'spiffeBundleUrl'].every((name) => isAbsentOr(name, isText)) &&
    ['trustDomains', 'certSigners'].every((name) => isAbsentOr(name, isListOf(isText)))
  );
}

function readCaCertificate(value: unknown): CaCertificate {
  const { pem, trustDomains, spiffeBundleUrl } = byJsonNames(value as Fields) as {
    pem?: string | null;
    trustDomains?: readonly string[] | null;
    spiffeBundleUrl?: string | null;
  };
  return {
    pem: pem ?? undefined,
    trustDomains: trustDomains ?? [],
    ...(spiffeBundleUrl != null && { spiffeBundleUrl }),
  };
}

function mergeDeep(shared: unknown, base: unknown): unknown {
  if (!isFields(shared) || !isFields(base)) return base;
  const both = Object.keys(base).map((name) => [name, mergeDeep(shared[name], base[name])] as const);
  return { ...shared, ...Object.fromEntries(both) };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function nameOf(provider: unknown): unknown {
  return isFields(provider) ? provider['name'] : undefined;
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
