// Does the broker accept every good declaration, and refuse every bad one by itself, whatever the API server did?
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { parsePeerDeclaration } from '../../src/federation/peer-declaration.ts';
import { BAD_DECLARATIONS, GOOD_DECLARATIONS } from '../kubernetes/declaration-vectors.ts';

describe('a good declaration', () => {
  for (const { because, places, document } of GOOD_DECLARATIONS) {
    for (const place of ['File', 'Kubernetes'] as const) {
      const accepted = places.includes(place);
      it(`(${because}) is ${accepted ? 'accepted' : 'refused'} in ${place}`, () => {
        const result = parsePeerDeclaration(document, place);
        assert.equal(result.ok, accepted, JSON.stringify(result));
      });
    }
  }
});

describe('a sample', () => {
  const folder = join(import.meta.dirname, '../../deploy/peers');
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.yaml'))) {
    it(`(deploy/peers/${name}) is a declaration without faults`, () => {
      const result = parsePeerDeclaration(parse(readFileSync(join(folder, name), 'utf8')), 'File');
      assert.ok(result.ok, JSON.stringify(result));
    });
  }
});

describe('a bad declaration', () => {
  it('has more than forty examples, of all who refuse', () => {
    assert.ok(BAD_DECLARATIONS.length >= 45);
    const refusing = new Set(BAD_DECLARATIONS.map(({ refusedBy }) => refusedBy));
    assert.deepEqual([...refusing].sort(), ['Broker', 'Rule', 'Schema']);
  });

  for (const { because, document, brokerSays, before } of BAD_DECLARATIONS) {
    if (brokerSays === undefined) {
      it(`(${because}) is accepted: what was there before is for the API server to compare`, () => {
        assert.ok(before !== undefined);
        assert.ok(parsePeerDeclaration(document, 'Kubernetes').ok);
      });
      continue;
    }
    it(`(${because}) is refused with one fault that says what is wrong`, () => {
      const result = parsePeerDeclaration(document, 'Kubernetes');
      assert.ok(!result.ok);
      const faults = result.faults.map(({ path, message }) => `${path.join('.')}: ${message}`);
      assert.equal(faults.length, 1, faults.join('\n'));
      assert.match(faults[0]!, brokerSays);
    });
  }
});
