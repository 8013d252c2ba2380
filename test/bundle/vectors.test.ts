// Does every rule let its good documents pass and object to its bad ones?
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { parseBundleDocument } from '../../src/bundle/bundle-document.ts';
import { BundleError } from '../../src/bundle/bundle-error.ts';
import { BUNDLE_RULES } from '../../src/bundle/bundle-rules.ts';
import { checkBundle } from '../../src/bundle/check-bundle.ts';
import type { Bundle } from '../../src/bundle/bundle.ts';
import { RootIndexer } from '../../src/bundle/known-roots.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import type { Vector } from '../vectors/generate-bundle-vectors.ts';
import { DOCUMENT_ERROR_CODES } from './document-error-codes.ts';

const FOLDER = join(import.meta.dirname, '../vectors/bundle');
const vectors = parse(readFileSync(join(FOLDER, 'index.yaml'), 'utf8')) as readonly Vector[];

function bundlesOf(documents: Vector['own'] = {}): Bundle[] {
  return Object.entries(documents).map(
    ([name, file]) => parseBundleDocument(readFileSync(join(FOLDER, file)), parseTrustDomain(name)).bundle,
  );
}

function judge(vector: Vector): Vector['expect'] {
  try {
    const parsed = parseBundleDocument(readFileSync(join(FOLDER, vector.file)), parseTrustDomain(vector.trustDomain));
    const { findings, refusedBy } = checkBundle(parsed, {
      now: new Date(vector.now),
      knownRoots: new RootIndexer().index(bundlesOf(vector.own)[0], bundlesOf(vector.others)),
      maxRoots: vector.maxRoots ?? 100,
    });
    const ids = findings.map(({ ruleId }) => ruleId);
    return refusedBy === undefined
      ? { verdict: 'accepted', findings: ids }
      : { verdict: 'refused', by: refusedBy.ruleId, findings: ids };
  } catch (error) {
    assert.ok(error instanceof BundleError, String(error));
    return { verdict: 'refused', by: error.code, findings: [] };
  }
}

describe('bundle vectors', () => {
  for (const vector of vectors) {
    it(`${vector.file}: ${vector.because}`, () => {
      assert.deepEqual(judge(vector), vector.expect);
    });
  }

  const abouts = [...BUNDLE_RULES.map(({ id }) => id), ...DOCUMENT_ERROR_CODES];
  for (const about of abouts) {
    it(`${about} has a document that passes and one that does not`, () => {
      const about_ = vectors.filter((vector) => vector.about === about);
      assert.ok(
        about_.some(({ passes }) => passes),
        'no passing vector',
      );
      assert.ok(
        about_.some(({ passes }) => !passes),
        'no failing vector',
      );
    });
  }

  it('belong to rules and codes that exist', () => {
    assert.deepEqual(
      vectors.filter(({ about }) => !(abouts as readonly string[]).includes(about)).map(({ file }) => file),
      [],
    );
  });
});
