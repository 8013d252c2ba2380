// Can any document make the parser do anything but read it or refuse it? Seeded mutations of the vectors.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { parseBundleDocument } from '../../src/bundle/bundle-document.ts';
import { BundleError } from '../../src/bundle/bundle-error.ts';
import { checkBundle } from '../../src/bundle/check-bundle.ts';
import { RootIndexer } from '../../src/bundle/known-roots.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { randomNumbers, SEED } from './random-numbers.ts';

const FOLDER = join(import.meta.dirname, '../vectors/bundle');
const WEST = parseTrustDomain('west.example');
const ROUNDS = 3_000;

const TOKENS = [
  '"',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  'null',
  '1e999',
  '"keys"',
  '"use"',
  '\\u0000',
  '\\ud800',
  '"x5c":[]',
  '-',
  '\u0000',
  '"kty":"EC"',
];

function mutate(document: Buffer, random: (below: number) => number): Buffer {
  let bytes = Buffer.from(document);
  for (let edits = 1 + random(4); edits > 0; edits--) {
    const at = random(bytes.length + 1);
    const end = Math.min(bytes.length, at + random(40));
    switch (random(4)) {
      case 0:
        if (at < bytes.length) bytes[at] = random(256);
        break;
      case 1:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(TOKENS[random(TOKENS.length)]!), bytes.subarray(at)]);
        break;
      default:
        bytes = Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
    }
  }
  return bytes;
}

it(`reads or refuses ${ROUNDS} mutated documents, never anything else (again with FUZZ_SEED=${SEED})`, () => {
  const random = randomNumbers(SEED);
  const corpus = readdirSync(FOLDER)
    .filter((name) => name.endsWith('.json'))
    .map((name) => readFileSync(join(FOLDER, name)))
    .filter(({ length }) => length < 20_000);
  const context = {
    now: new Date('2040-01-01T00:00:00Z'),
    knownRoots: new RootIndexer().index(undefined, []),
    maxRoots: 100,
  };
  let read = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const document = mutate(corpus[random(corpus.length)]!, random);
    try {
      const parsed = parseBundleDocument(document, WEST);
      assert.equal(parsed.bundle.trustDomain, WEST);
      assert.equal(checkBundle(parsed, context).bundle.trustDomain, WEST);
      read += 1;
    } catch (error) {
      assert.ok(error instanceof BundleError, `round ${round}: ${String(error)}\n${document.toString('base64')}`);
    }
  }
  assert.ok(read > 0, 'no mutation was readable: they are too coarse to say anything');
});
