// Which declarations are the examples of good and bad ones? (test/vectors/peer-declarations)
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { DeclarationPlace } from '../../src/federation/declaration-place.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface DeclaredDocument {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: Fields;
}

export interface GoodDeclaration {
  readonly because: string;
  readonly places: readonly DeclarationPlace[];
  readonly document: DeclaredDocument;
}

export interface BadDeclaration {
  readonly because: string;
  /** Who refuses it first. */
  readonly refusedBy: 'Schema' | 'Rule' | 'Broker';
  readonly document: DeclaredDocument;
  /** The object that is there already; undefined: none. */
  readonly before: DeclaredDocument | undefined;
  /** What the broker says; undefined: it sees no fault. */
  readonly brokerSays: RegExp | undefined;
  /** What the API server says; undefined: it sees no fault. */
  readonly apiServerSays: RegExp | undefined;
}

const FOLDER = join(import.meta.dirname, '../vectors/peer-declarations');

function read(name: string): unknown {
  return parse(readFileSync(join(FOLDER, name), 'utf8'));
}

const BASE = read('base.yaml') as DeclaredDocument;

function overBase(spec: Fields, without: readonly string[] = [], metadata = BASE.metadata): DeclaredDocument {
  const fields = Object.entries({ ...BASE.spec, ...spec }).filter(([name]) => !without.includes(name));
  return { ...BASE, metadata, spec: Object.fromEntries(fields) };
}

interface GoodRow {
  readonly because: string;
  readonly places: readonly DeclarationPlace[];
  readonly spec: Fields;
}

export const GOOD_DECLARATIONS: readonly GoodDeclaration[] = (read('ok.yaml') as readonly GoodRow[]).map(
  ({ spec, ...row }) => ({ ...row, document: overBase(spec) }),
);

interface BadRow {
  readonly because: string;
  readonly refusedBy: BadDeclaration['refusedBy'];
  readonly spec: Fields;
  readonly metadata?: { readonly name: string };
  readonly without?: readonly string[];
  readonly before?: Fields;
  readonly says?: string;
  readonly apiServerSays?: string;
}

export const BAD_DECLARATIONS: readonly BadDeclaration[] = (read('bad.yaml') as readonly BadRow[]).map((row) => {
  const { because, refusedBy, says, apiServerSays = says } = row;
  return {
    because,
    refusedBy,
    document: overBase(row.spec, row.without, row.metadata),
    before: row.before === undefined ? undefined : overBase(row.before),
    brokerSays: says === undefined ? undefined : new RegExp(says),
    apiServerSays: refusedBy === 'Broker' || apiServerSays === undefined ? undefined : new RegExp(apiServerSays),
  };
});
