// Which mesh config does istiod make of our ConfigMap and its own? (measured on istiod 1.29.6; the same as
// pkg/config/mesh of 1.31 does)
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
  /** Why a source cannot be applied. Its fields that istiod reads before the one at fault count all the same. */
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
/** In a list null is the empty value. */
const isTextOrNull: Check = (value) => value === null || isText(value);
const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isListOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);

/**
 * In the order in which istiod reads them: at a field of another type it stops. Fields that are not named here are not
 * looked at.
 */
const TYPES: Readonly<Record<string, Check>> = {
  defaultConfig: isFields,
  trustDomain: isText,
  trustDomainAliases: isListOf(isTextOrNull),
  caCertificates: isListOf(isCaCertificate),
  extensionProviders: isListOf(isFields),
};

/** How the same field of both sources becomes one; of any other, the base's replaces ours, lists as a whole. */
const MERGES: Readonly<Record<string, (shared: unknown, base: unknown) => unknown>> = {
  trustDomainAliases: (shared, base) => sortedTexts([...listOf(shared), ...listOf(base)]),
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
  const merged = applied(applied({}, ours), theirs);
  const { caCertificates, ...others } = merged;
  return {
    trustDomain: typeof merged['trustDomain'] === 'string' ? merged['trustDomain'] : DEFAULT_TRUST_DOMAIN,
    trustDomainAliases: textsIn(merged['trustDomainAliases']),
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

interface Source {
  readonly fields: Fields;
  readonly fault?: string;
}

/** Where istiod stops at a fault, it merges nothing: what it has read by then replaces what was there. */
function applied(before: Fields, { fields, fault }: Source): Fields {
  const isWhole = fault === undefined;
  const after: Record<string, unknown> = { ...before };
  for (const [name, value] of Object.entries(fields)) {
    const merge = isWhole && name in after ? MERGES[name] : undefined;
    after[name] = merge?.(after[name], value) ?? value;
  }
  const aliases = after['trustDomainAliases'];
  return isWhole && aliases !== undefined ? { ...after, trustDomainAliases: sortedTexts(listOf(aliases)) } : after;
}

function readFields(text: string | undefined): Source {
  if (text === undefined) return { fields: {} };
  const document = parseDocument(text, { version: '1.1', uniqueKeys: false, logLevel: 'silent' });
  const [error] = document.errors;
  if (error !== undefined) return { fields: {}, fault: `it is no YAML: ${firstLine(error.message)}` };
  const value: unknown = document.toJS({ maxAliasCount: 100 }) ?? {};
  if (!isFields(value)) return { fields: {}, fault: 'it is no mapping of fields' };
  const fields = byJsonNames(value);
  const order = Object.keys(TYPES);
  const wrong = order.find((name) => name in fields && TYPES[name]?.(fields[name]) === false);
  if (wrong === undefined) return { fields };
  const read = new Set(order.slice(0, order.indexOf(wrong)));
  const before = Object.entries(fields).filter(([name]) => read.has(name));
  return { fields: Object.fromEntries(before), fault: `its ${wrong} is of another type` };
}

/**
 * A field may be written by either of its names, `caCertificates` and `ca_certificates`; where both are, the first
 * counts, also when it is null. A null is no field. Of one message alone: names in a map are data.
 */
function byJsonNames(message: Fields): Fields {
  const written = Object.entries(message).map(([name, value]) => [jsonName(name), value] as const);
  const chosen = written.map(([name, value]) => [name, name in message ? message[name] : value] as const);
  return Object.fromEntries(chosen.filter(([, value]) => value !== null));
}

function jsonName(name: string): string {
  return name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function isCaCertificate(written: unknown): boolean {
  if (written === null) return true;
  if (!isFields(written)) return false;
  const value = byJsonNames(written);
  const isAbsentOr = (name: string, check: Check) => value[name] === undefined || check(value[name]);
  return (
    ['pem', 'spiffeBundleUrl'].every((name) => isAbsentOr(name, isText)) &&
    ['trustDomains', 'certSigners'].every((name) => isAbsentOr(name, isListOf(isTextOrNull)))
  );
}

/** `pem` and `spiffeBundleUrl` are one of: the one that istiod reads last counts. */
function readCaCertificate(written: unknown): CaCertificate {
  const { pem, trustDomains, spiffeBundleUrl } = byJsonNames((written ?? {}) as Fields) as {
    pem?: string;
    trustDomains?: unknown;
    spiffeBundleUrl?: string;
  };
  const names = textsIn(trustDomains);
  return spiffeBundleUrl === undefined
    ? { pem, trustDomains: names }
    : { pem: undefined, trustDomains: names, spiffeBundleUrl };
}

function mergeDeep(shared: unknown, base: unknown): unknown {
  if (!isFields(shared) || !isFields(base)) return base;
  const both = Object.keys(base).map((name) => [name, mergeDeep(shared[name], base[name])] as const);
  return { ...shared, ...Object.fromEntries(both) };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textsIn(list: unknown): readonly string[] {
  return (listOf(list) as readonly (string | null)[]).map((text) => text ?? '');
}

function sortedTexts(list: readonly unknown[]): readonly string[] {
  return [...new Set(textsIn(list))].sort();
}

function nameOf(provider: unknown): unknown {
  return isFields(provider) ? provider['name'] : undefined;
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
