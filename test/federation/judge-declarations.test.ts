// Which of several files' or objects' declarations are in force?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import {
  judgeDeclarations,
  type DeclaringUnit,
  type EarlierPeers,
  type FaultReason,
} from '../../src/federation/judge-declarations.ts';
import type { Peer } from '../../src/federation/relationship.ts';
import { parsePeerFile } from '../../src/peer-files/parse-peer-file.ts';
import { judgeFiles } from '../../src/peer-files/peer-directory.ts';
import { peerYaml } from '../peer-files/peer-yaml.ts';
import { NORTH, peerOf, WEST } from './samples.ts';

const OWN = parseTrustDomain('east.example');
const BROKEN = 'kind: [';

/** Judges files given as name → text. */
function judge(texts: Readonly<Record<string, string>>, before: EarlierPeers = new Map()) {
  const files = Object.entries(texts).map(([name, text]) => parsePeerFile(name, `/etc/peers/${name}`, text));
  const { declarations, units, inForce } = judgeFiles(files, before, OWN);
  return {
    peers: declarations.peers.map(({ name, mode }) => `${name} ${mode}`),
    faults: units.flatMap(({ faults }) => faults).map(({ file, path, message }) => `${file} ${path}: ${message}`),
    isComplete: declarations.incompleteBecause === undefined,
    because: declarations.incompleteBecause,
    inForce,
  };
}

describe('a directory of declarations', () => {
  it('is complete when no file has a fault', () => {
    const { peers, faults, isComplete } = judge({ 'b.yaml': peerYaml('west'), 'a.yaml': peerYaml('north') });
    assert.deepEqual(peers, ['north Own', 'west Own']);
    assert.deepEqual(faults, []);
    assert.equal(isComplete, true);
  });

  it('loses a peer when its file is gone', () => {
    const before = judge({ 'a.yaml': peerYaml('west'), 'b.yaml': peerYaml('north') }).inForce;
    const { peers, isComplete } = judge({ 'b.yaml': peerYaml('north') }, before);
    assert.deepEqual(peers, ['north Own']);
    assert.equal(isComplete, true);
  });

  it('loses a peer when its document is taken out of a faultless file', () => {
    const before = judge({ 'a.yaml': `${peerYaml('west')}---\n${peerYaml('north')}` }).inForce;
    assert.deepEqual(judge({ 'a.yaml': peerYaml('north') }, before).peers, ['north Own']);
  });
});

describe('a file with faults', () => {
  it('keeps what it declared before in force, also through several faulty versions', () => {
    const good = judge({ 'a.yaml': peerYaml('west', 'mode: Delegate') }).inForce;
    const first = judge({ 'a.yaml': BROKEN }, good);
    const second = judge({ 'a.yaml': peerYaml('west', 'mode: Both') }, first.inForce);
    for (const { peers, isComplete, faults } of [first, second]) {
      assert.deepEqual(peers, ['west Delegate']);
      assert.equal(isComplete, true);
      assert.ok(faults.length > 0);
    }
    assert.deepEqual(judge({ 'a.yaml': peerYaml('west') }, second.inForce).peers, ['west Own']);
  });

  it('changes nothing, not even by its faultless documents', () => {
    const before = judge({ 'a.yaml': peerYaml('west') }).inForce;
    assert.deepEqual(judge({ 'a.yaml': `${peerYaml('north')}---\n${BROKEN}` }, before).peers, ['west Own']);
  });

  it('makes the directory incomplete when nothing earlier is known, but its faultless documents count', () => {
    const { peers, isComplete, because } = judge({ 'a.yaml': `${peerYaml('north')}---\n${peerYaml('west', 'x: 1')}` });
    assert.deepEqual(peers, ['north Own']);
    assert.equal(isComplete, false);
    assert.match(because!, /^a\.yaml: has faults/);
  });

  it('stays unknown until it is repaired', () => {
    const start = judge({ 'a.yaml': `${peerYaml('north')}---\n${BROKEN}` });
    assert.equal(judge({ 'a.yaml': BROKEN }, start.inForce).isComplete, false);
    assert.equal(judge({ 'a.yaml': peerYaml('north') }, start.inForce).isComplete, true);
  });
});

describe('two declarations', () => {
  it('of one trust domain: the first by file name wins, the other is a fault', () => {
    const second = peerYaml('west', 'mode: Delegate').replace('name: west', 'name: other');
    const { peers, faults, isComplete } = judge({ 'b.yaml': second, 'a.yaml': peerYaml('west') });
    assert.deepEqual(peers, ['west Own']);
    assert.deepEqual(faults, ['b.yaml spec.trustDomain: trust domain west.example is already declared in a.yaml']);
    assert.equal(isComplete, false);
  });

  it('of one name are a fault, also within one file', () => {
    const second = peerYaml('north').replace('name: north', 'name: west');
    const { faults } = judge({ 'a.yaml': `${peerYaml('west')}---\n${second}` });
    assert.deepEqual(faults, ['a.yaml metadata.name: name west is already declared in a.yaml']);
  });

  it('may change files without a moment in which the peer is gone', () => {
    const before = judge({ 'a.yaml': peerYaml('west'), 'b.yaml': peerYaml('north') }).inForce;
    const { peers, faults } = judge({ 'a.yaml': peerYaml('north'), 'b.yaml': peerYaml('west') }, before);
    assert.deepEqual(peers, ['north Own', 'west Own']);
    assert.deepEqual(faults, []);
  });

  it('count once when one moves away from a file that is faulty now', () => {
    const before = judge({ 'b.yaml': peerYaml('west') }).inForce;
    const { peers } = judge({ 'a.yaml': peerYaml('west', 'mode: Delegate'), 'b.yaml': BROKEN }, before);
    assert.deepEqual(peers, ['west Delegate']);
  });

  it('leave the earlier one alone when a file turns into a copy of it', () => {
    const before = judge({ 'a.yaml': peerYaml('west'), 'b.yaml': peerYaml('north') }).inForce;
    const { peers, faults } = judge({ 'a.yaml': peerYaml('west'), 'b.yaml': peerYaml('west') }, before);
    assert.deepEqual(peers, ['west Own', 'north Own']);
    assert.equal(faults.length, 2);
  });
});

describe('a declaration is refused', () => {
  it('for our own trust domain', () => {
    const { peers, faults } = judge({ 'a.yaml': peerYaml('east') });
    assert.deepEqual(peers, []);
    assert.match(faults[0]!, /^a\.yaml spec\.trustDomain: east\.example is our own/);
  });

  it('for entry patterns that no entry of ours can match', () => {
    const more = 'federatesWith: { entries: [{ spiffeID: spiffe://west.example/** }] }';
    assert.match(judge({ 'a.yaml': peerYaml('west', more) }).faults[0]!, /entries\.0\.spiffeID: .* matches nothing/);
    assert.deepEqual(judge({ 'a.yaml': peerYaml('west', more.replace('west', 'east')) }).faults, []);
  });
});

interface ObjectFault {
  readonly reason: FaultReason;
  readonly message: string;
}

/** An object that declares one peer, or has a fault. */
function unitOf(id: string, declares: Peer | 'Faulty', mayHide: boolean): DeclaringUnit<ObjectFault> {
  const faultAt = (_path: unknown, message: string, reason: FaultReason) => ({ reason, message });
  return {
    id,
    title: `object "${id}"`,
    declared: declares === 'Faulty' ? [] : [{ peer: declares, faultAt }],
    faults: declares === 'Faulty' ? [{ reason: 'Invalid', message: 'must be a string' }] : [],
    mayHide: () => mayHide,
  };
}

describe('units that declare one peer each', () => {
  it('are judged in the order given: the first wins, and the other names it', () => {
    const copy = { ...peerOf(WEST), name: 'copy' };
    const { declarations, units } = judgeDeclarations(
      [unitOf('second', copy, false), unitOf('first', peerOf(WEST), false)],
      new Map(),
      OWN,
    );
    assert.deepEqual(declarations.peers, [copy]);
    assert.deepEqual(
      units.map(({ id, faults }) => [id, ...faults.map(({ reason, message }) => `${reason}: ${message}`)]),
      [['second'], ['first', 'Conflict: trust domain west.example is already declared in object "second"']],
    );
  });

  it('leave the list complete when what is faulty now never had an effect', () => {
    const good = unitOf('good', peerOf(NORTH), true);
    const judge = (mayHide: boolean) =>
      judgeDeclarations([good, unitOf('bad', 'Faulty', mayHide)], new Map(), OWN).declarations;
    assert.equal(judge(false).incompleteBecause, undefined);
    assert.match(judge(true).incompleteBecause!, /^object "bad": has faults/);
  });

  it('say which kind of fault they have', () => {
    const [unit] = judgeDeclarations([unitOf('own', peerOf(OWN), false)], new Map(), OWN).units;
    assert.deepEqual(
      unit!.faults.map(({ reason }) => reason),
      ['OwnTrustDomain'],
    );
  });
});
