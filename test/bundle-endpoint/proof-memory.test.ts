// Is what was proved remembered for as long as it holds, and no longer?
import assert from 'node:assert/strict';
import { before, beforeEach, describe, it } from 'node:test';
import { fingerprint } from '../../src/bundle/bundle.ts';
import { parseSpiffeId } from '../../src/bundle/spiffe-id.ts';
import { ProofMemory, type Proof } from '../../src/bundle-endpoint/proof-memory.ts';
import { makeRoot } from '../fakes/fake-ca.ts';

const ID = parseSpiffeId('spiffe://west.example/federation-broker');
const OTHER = parseSpiffeId('spiffe://west.example/other');
const NOW = new Date('2030-01-01T00:00:00Z');
const LATER = new Date('2030-01-01T00:00:01Z');

describe('a proof', () => {
  let [root, next]: Uint8Array[] = [];
  let memory: ProofMemory<Proof>;
  let proof: Proof;

  before(async () => {
    [root, next] = (await Promise.all(['a', 'b'].map((name) => makeRoot(name)))).map(({ der }) => der);
  });
  beforeEach(() => {
    memory = new ProofMemory();
    proof = { digest: 'leaf', authorities: [fingerprint(root!)], notAfter: NOW };
    memory.note(ID, proof, NOW);
  });

  it('is found until it ends, that moment included', () => {
    assert.equal(memory.find(ID, 'leaf', [root!], NOW), proof);
    assert.equal(memory.find(ID, 'leaf', [root!], LATER), undefined);
    assert.equal(memory.knows(ID, [root!], LATER), false);
  });

  it('is found for what was shown and who proved to be there, and nothing else', () => {
    assert.equal(memory.find(ID, 'other', [root!], NOW), undefined);
    assert.equal(memory.find(OTHER, 'leaf', [root!], NOW), undefined);
    assert.deepEqual([memory.knows(ID, [root!], NOW), memory.knows(OTHER, [root!], NOW)], [true, false]);
  });

  it('is found while all of its authorities are held, also by another copy and beside others', () => {
    assert.equal(memory.find(ID, 'leaf', [next!, Uint8Array.from(root!)], NOW), proof);
    for (const held of [[next!], []]) {
      assert.equal(memory.find(ID, 'leaf', held, NOW), undefined);
      assert.equal(memory.knows(ID, held, NOW), false);
    }
    memory.note(ID, { ...proof, authorities: [root!, next!].map(fingerprint) }, NOW);
    assert.equal(memory.find(ID, 'leaf', [root!], NOW), undefined);
    assert.notEqual(memory.find(ID, 'leaf', [root!, next!], NOW), undefined);
  });

  it('is forgotten, the oldest first, beyond sixteen of an ID', () => {
    for (let leaf = 0; leaf < 16; leaf++) memory.note(ID, { ...proof, digest: String(leaf) }, NOW);
    assert.equal(memory.find(ID, 'leaf', [root!], NOW), undefined);
    assert.notEqual(memory.find(ID, '0', [root!], NOW), undefined);
    assert.notEqual(memory.find(ID, '15', [root!], NOW), undefined);
  });

  it('takes the place of an older one of the same certificate, and pushes nothing else out', () => {
    memory.note(ID, { ...proof, digest: 'replica' }, NOW);
    for (let turn = 0; turn < 16; turn++) memory.note(ID, { ...proof }, NOW);
    assert.notEqual(memory.find(ID, 'replica', [root!], NOW), undefined);
  });

  it('takes no room for ever once it has ended', () => {
    for (let peer = 0; peer < 64; peer++) {
      memory.note(parseSpiffeId(`spiffe://peer-${peer}.example/broker`), { ...proof, notAfter: LATER }, LATER);
    }
    // It would be there again if the clock were set back.
    assert.equal(memory.knows(ID, [root!], NOW), false);
    assert.equal(memory.knows(parseSpiffeId('spiffe://peer-0.example/broker'), [root!], NOW), true);
  });
});
