// Is what was proved remembered for as long as it holds, and no longer?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ProofMemory } from '../../src/bundle-endpoint/proof-memory.ts';

const NOW = new Date('2030-01-01T00:00:00Z');
const LATER = new Date('2030-01-01T00:00:01Z');
const proof = { notAfter: NOW };

describe('what authorities have proved', () => {
  it('is found until it ends, that moment included', () => {
    const memory = new ProofMemory<object, typeof proof>();
    const authorities = {};
    memory.note(authorities, 'leaf', proof);
    assert.equal(memory.find(authorities, 'leaf', NOW), proof);
    assert.equal(memory.find(authorities, 'leaf', LATER), undefined);
    assert.equal(memory.find(authorities, 'leaf', NOW), undefined);
  });

  it('is found for them alone', () => {
    const memory = new ProofMemory<object, typeof proof>();
    const authorities = {};
    memory.note(authorities, 'leaf', proof);
    assert.deepEqual([memory.knows(authorities), memory.knows({})], [true, false]);
    assert.deepEqual([memory.find({}, 'leaf', NOW), memory.find(authorities, 'other', NOW)], [undefined, undefined]);
  });

  it('is forgotten, the oldest first, beyond sixteen certificates', () => {
    const memory = new ProofMemory<object, typeof proof>();
    const authorities = {};
    for (let leaf = 0; leaf < 17; leaf++) memory.note(authorities, String(leaf), proof);
    assert.equal(memory.find(authorities, '0', NOW), undefined);
    assert.equal(memory.find(authorities, '1', NOW), proof);
    assert.equal(memory.find(authorities, '16', NOW), proof);
  });
});
