// Does Istio's own code merge shared mesh config and istiod's own as we simulate it before each write?
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse, stringify } from 'yaml';
import { mergeMesh, type MergedMesh, type MeshSources } from '../../src/istio/mesh-merge.ts';
import { randomNumbers, SEED } from '../fuzz/random-numbers.ts';
import { Cleanup } from './harness/cleanup.ts';
import { oracleMerges, type OracleMesh } from './harness/mesh-oracle.ts';
import { tempFolder } from './harness/temp-folder.ts';

const MUTATIONS = 2_000;
const VECTORS = join(import.meta.dirname, '../vectors/mesh/merge.yaml');

type Fields = Readonly<Record<string, unknown>>;
type Random = (below: number) => number;

describe('Istio’s own merge of mesh config', () => {
  const cleanup = new Cleanup();
  let folder: string;

  before(() => {
    folder = tempFolder(cleanup, 'merge-oracle');
  });
  after(() => cleanup.run());

  async function askIstio(all: readonly MeshSources[]): Promise<readonly OracleMesh[]> {
    const file = join(folder, 'sources.json');
    writeFileSync(file, JSON.stringify(all));
    const answers = await oracleMerges(file);
    assert.equal(answers.length, all.length);
    return answers;
  }

  it('comes out as ours for each vector', async () => {
    const vectors = parse(readFileSync(VECTORS, 'utf8')) as readonly (MeshSources & { readonly name: string })[];
    const answers = await askIstio(vectors);
    for (const [index, { name, shared, base }] of vectors.entries()) {
      assert.deepEqual(oursOf(mergeMesh({ shared, base })), theirsOf(answers[index]!), name);
    }
  });

  it(`comes out as ours for ${MUTATIONS} pairs of texts (again with FUZZ_SEED=${SEED})`, async (context) => {
    const random = randomNumbers(SEED);
    const all = Array.from({ length: MUTATIONS }, () => ({ shared: textOf(random), base: textOf(random) }));
    const answers = await askIstio(all);
    for (const [index, sources] of all.entries()) {
      assert.deepEqual(
        oursOf(mergeMesh(sources)),
        theirsOf(answers[index]!),
        JSON.stringify([sources, answers[index]!.ignored]),
      );
    }
    const ignored = answers.filter((each) => Object.keys(each.ignored).length > 0).length;
    context.diagnostic(`${ignored} of them with a text that cannot be applied`);
    assert.ok(ignored > MUTATIONS / 20 && ignored < MUTATIONS / 2, 'the texts are too bad or too good to say much');
  });
});

/** What decides about peers. */
function oursOf({ trustDomain, trustDomainAliases, caCertificates, ignored }: MergedMesh) {
  return {
    trustDomain,
    trustDomainAliases,
    caCertificates: caCertificates.map(({ pem, trustDomains, spiffeBundleUrl }) => ({
      pem,
      trustDomains,
      spiffeBundleUrl,
    })),
    ignored: Object.keys(ignored),
  };
}

function theirsOf({ mesh, ignored }: OracleMesh): ReturnType<typeof oursOf> {
  return {
    trustDomain: mesh.trustDomain ?? '',
    trustDomainAliases: mesh.trustDomainAliases ?? [],
    caCertificates: (mesh.caCertificates ?? []).map(({ pem, trustDomains = [], spiffeBundleUrl }) => ({
      pem,
      trustDomains,
      spiffeBundleUrl,
    })),
    ignored: Object.keys(ignored).sort().reverse(),
  };
}

/** Undefined: there is no such ConfigMap. One text in ten or so is none that istiod can read. */
function textOf(random: Random): string | undefined {
  const pick = <T>(...choices: readonly T[]): T => choices[random(choices.length)]!;
  const maybe = (share: number, fields: () => Fields): Fields => (random(100) < share ? fields() : {});
  const names = (...more: readonly string[]) =>
    Array.from({ length: random(3) }, () => pick('west.example', 'north.example', ...more));
  const badly = (value: unknown): unknown => (random(60) === 0 ? pick<unknown>(5, true, 'text', { a: 1 }, [7]) : value);
  const entry = (): Fields => ({
    ...maybe(50, () => ({ [pick('trustDomains', 'trust_domains')]: badly(names('x_y.example')) })),
    ...maybe(40, () => ({ pem: badly(pick('a', '', null)) })),
    ...maybe(10, () => ({ [pick('spiffeBundleUrl', 'spiffe_bundle_url')]: 'https://west.example/' })),
    ...maybe(10, () => ({ certSigners: ['a'] })),
    ...maybe(10, () => ({ invented: 1 })),
  });
  const entries = () => pick<unknown>(null, [], ...[1, 2, 3].map((length) => Array.from({ length }, entry)));
  const fields: Fields = {
    ...maybe(50, () => ({ [pick('trustDomain', 'trust_domain')]: badly(pick('east.example', 'south.example', null)) })),
    ...maybe(50, () => ({ [pick('trustDomainAliases', 'trust_domain_aliases')]: badly(names()) })),
    ...maybe(60, () => ({ caCertificates: badly(entries()) })),
    ...maybe(20, () => ({ ca_certificates: badly(entries()) })),
    ...maybe(30, () => ({ accessLogFile: pick('/dev/stdout', '') })),
    ...maybe(10, () => ({ inventedField: pick<unknown>(1, [], {}) })),
  };
  if (random(12) === 0) return undefined;
  const text = Object.keys(fields).length === 0 ? '' : stringify(fields);
  return random(25) === 0 ? `${text}\n${pick('a: [', '\t- b', '"')}` : text;
}
