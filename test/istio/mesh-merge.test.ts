// Does the merge come out as istiod's does, and is no candidate let through that would do harm there?
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { objectionTo } from '../../src/istio/candidate.ts';
import { inboundPrefixes, mergeMesh } from '../../src/istio/mesh-merge.ts';
import { makeCertificate, makeRoot } from '../fakes/fake-ca.ts';

interface Vector {
  readonly name: string;
  readonly shared?: string;
  readonly base?: string;
  readonly expect: {
    readonly of?: 'Shared' | 'Base';
    readonly prefixes: readonly string[];
    readonly pems?: number;
    readonly ignored?: readonly string[];
    readonly objection?: string;
    readonly others?: Readonly<Record<string, unknown>>;
  };
}

const PEMS: Readonly<Record<string, string>> = {
  ca: (await makeRoot('west.example')).pem,
  other: (await makeRoot('west.example')).pem,
  leaf: (await makeCertificate()).pem,
  garbage: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
};

function filled(text: string | undefined): string | undefined {
  return text?.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => JSON.stringify(PEMS[name]));
}

const vectors = parse(
  readFileSync(join(import.meta.dirname, '../vectors/mesh/merge.yaml'), 'utf8'),
) as readonly Vector[];

describe('the merge of shared and base mesh config', () => {
  for (const { name, shared, base, expect } of vectors) {
    it(name, () => {
      const sources = { shared: filled(shared), base: filled(base) };
      const merged = mergeMesh(sources);
      assert.deepEqual(
        {
          of: merged.caCertificatesOf,
          prefixes: inboundPrefixes(merged),
          pems: merged.caCertificates.filter(({ pem }) => pem !== undefined).length,
          ignored: Object.keys(merged.ignored),
          objection: objectionTo(sources, { shared: undefined, base: sources.base })?.code,
        },
        {
          of: expect.of,
          prefixes: expect.prefixes.map((each) => `spiffe://${each}/`),
          pems: expect.pems ?? 0,
          ignored: expect.ignored ?? [],
          objection: expect.objection,
        },
      );
      if (expect.others !== undefined) assert.deepEqual(merged.others, expect.others);
    });
  }
});
