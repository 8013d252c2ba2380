// Does Go, in which istiod is written, read every certificate that we let into mesh config? One that it does not read keeps
// istiod from starting.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Bundle } from '../../src/bundle/bundle.ts';
import { BundleError } from '../../src/bundle/bundle-error.ts';
import { toPem } from '../../src/bundle/certificate.ts';
import { RootIndexer } from '../../src/bundle/known-roots.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { peerAnchors } from '../../src/istio/peer-anchors.ts';
import { refuseRoots } from '../../src/istio/root-gate.ts';
import { makeRoot, type CertificateOptions } from '../fakes/fake-ca.ts';
import { mutateDer } from '../fuzz/mutate-der.ts';
import { randomNumbers, SEED } from '../fuzz/random-numbers.ts';
import { READABLE_ROOTS, UNREADABLE_ROOTS } from '../istio/bare-root-samples.ts';
import { Cleanup } from './harness/cleanup.ts';
import { oracleCertificates } from './harness/oracle.ts';
import { tempFolder } from './harness/temp-folder.ts';

const WEST = parseTrustDomain('west.example');
const MUTATIONS = 6_000;
const FORMS = ['Flat', 'Constrained'] as const;
const KEYS: readonly CertificateOptions[] = [
  { algorithm: 'P-384' },
  { algorithm: 'RSA-2048' },
  { algorithm: 'Ed25519' },
];
const GATE = {
  now: new Date('2040-01-01T00:00:00Z'),
  knownRoots: new RootIndexer().index(undefined, []),
  ours: [],
  publishesRoots: true,
};
/** What Go reads all the same, and we keep out: nobody would enforce it, or Envoy does not read it. */
const STRICTER: ReadonlySet<string> = new Set([
  'a critical extension nobody knows',
  'no name where names are',
  'a bound of any policy below zero',
]);

describe('Go’s reading of certificates in mesh config', () => {
  const cleanup = new Cleanup();
  let folder: string;
  let roots: readonly Uint8Array[];

  before(async () => {
    folder = tempFolder(cleanup, 'roots-oracle');
    const options = [...READABLE_ROOTS.map(([, each]) => each), ...KEYS];
    roots = (await Promise.all(options.map((each) => makeRoot(WEST, each)))).map(({ der }) => der);
  });
  after(() => cleanup.run());

  async function askGo(ders: readonly Uint8Array[]) {
    const file = join(folder, 'certificates.json');
    writeFileSync(file, JSON.stringify(ders.map(toPem)));
    return oracleCertificates(file);
  }

  it('agrees with the rule for each root that may stand there', async () => {
    for (const answer of await askGo(roots)) assert.deepEqual(answer, { ok: true });
  });

  it('agrees with the rule for each root that may not, but where we ask for more', async () => {
    const bad = await Promise.all(UNREADABLE_ROOTS.map(([, options]) => makeRoot(WEST, options)));
    const answers = await askGo(bad.map(({ der }) => der));
    const read = UNREADABLE_ROOTS.filter((_, index) => answers[index]?.ok === true).map(([what]) => what);
    assert.deepEqual(new Set(read), STRICTER);
  });

  for (const form of FORMS) {
    it(`reads what is written as ${form} of ${MUTATIONS} mutated roots (again with FUZZ_SEED=${SEED})`, async (context) => {
      const random = randomNumbers(SEED);
      const mutated = Array.from({ length: MUTATIONS }, () => mutateDer(roots[random(roots.length)]!, random));
      const written = mutated.flatMap((root) => publishedOf(root, form));
      const answers = await askGo(written.map(({ anchor }) => anchor));
      for (const [index, { ok, error }] of answers.entries()) {
        assert.ok(ok, `${error}: ${Buffer.from(written[index]!.root).toString('base64')}`);
      }
      assert.equal(answers.length, written.length);
      assert.ok(written.length > MUTATIONS / 10, 'few mutations are let in: they are too coarse to say much');
      context.diagnostic(`${written.length} of ${MUTATIONS} are let in`);
    });
  }
});

/** What mesh config gets of a root; nothing where it is refused. */
function publishedOf(root: Uint8Array, form: (typeof FORMS)[number]) {
  const bundle: Bundle = {
    trustDomain: WEST,
    x509Authorities: [root],
    jwtAuthorities: [],
    sequenceNumber: 1n,
    refreshHintSeconds: undefined,
  };
  try {
    if (refuseRoots(bundle, GATE) !== undefined) return [];
    const anchors = peerAnchors(bundle.x509Authorities, WEST, form);
    return anchors.kind === 'None' ? [] : anchors.ders.map((anchor) => ({ root, anchor }));
  } catch (error) {
    if (error instanceof BundleError) return [];
    throw error;
  }
}
