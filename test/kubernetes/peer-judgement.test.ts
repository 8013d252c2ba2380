// Which PeerTrustDomain objects are in force, and what does each of the others say?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  judgeObjects,
  NO_MEMORY,
  type ObjectMemory,
  type ObjectsJudgement,
} from '../../src/kubernetes/judge-objects.ts';
import type { KubeObject } from '../../src/kubernetes/kube-object.ts';
import { BROKER_OF } from '../../src/kubernetes/managed-by.ts';
import { EAST } from '../federation/samples.ts';
import { DELETING, objectOf } from './peer-objects.ts';

function judge(objects: readonly KubeObject[], before: ObjectMemory = NO_MEMORY): ObjectsJudgement {
  return judgeObjects(objects, before, EAST);
}

const namesOf = ({ declarations }: ObjectsJudgement) => declarations.peers.map(({ name, mode }) => `${name} ${mode}`);

/** Each object's state on a line. */
function statesOf({ objects }: ObjectsJudgement): string[] {
  return objects.map(({ object, state, deleting }) => {
    const name = `${deleting ? 'deleting ' : ''}${object.metadata.name}`;
    if (state.kind === 'InForce') return `${name}: in force`;
    return `${name}: ${state.reason}: ${state.message}${state.inForce === undefined ? '' : ' (still in force)'}`;
  });
}

const FAULTY = { spec: { mode: 'Both' } };
const NO_FINALIZER = { metadata: { finalizers: [] } };

describe('objects in a cluster with brokers of several trust domains', () => {
  it('count for the broker that they name alone, and where they name none, for the first that takes them', () => {
    const ofEast = objectOf('west');
    const ofSouth = objectOf('north', { metadata: { annotations: { [BROKER_OF]: 'south.example' } } });
    const ofNobody = objectOf('south', { metadata: { annotations: {} } });
    const judgement = judge([ofEast, ofSouth, ofNobody]);
    assert.deepEqual(namesOf(judgement), ['south Own', 'west Own']);
    assert.deepEqual(statesOf(judgement), ['south: in force', 'west: in force']);
  });
});

describe('two objects for one trust domain', () => {
  const older = objectOf('west', { metadata: { creationTimestamp: '2039-01-01T00:00:00Z', uid: 'z' } });
  const copy = objectOf('copy', { spec: { trustDomain: 'west.example' }, metadata: { uid: 'a' } });
  const conflict =
    'Conflict: spec.trustDomain: trust domain west.example is already declared in PeerTrustDomain "west"';

  it('are decided by age: the older wins, the other says Conflict and names it', () => {
    const judgement = judge([copy, older]);
    assert.deepEqual(statesOf(judgement), ['west: in force', `copy: ${conflict}`]);
    assert.deepEqual(namesOf(judgement), ['west Own']);
    assert.equal(judgement.declarations.incompleteBecause, undefined, 'a conflict hides nobody');
  });

  it('are decided by UID when they are of the same second', () => {
    const twin = objectOf('west', { metadata: { uid: 'z' } });
    assert.deepEqual(namesOf(judge([twin, copy])), ['copy Own']);
  });

  it('change places when the older is deleted', () => {
    const before = judge([older, copy]).memory;
    const judgement = judge([{ ...older, metadata: { ...older.metadata, ...DELETING } }, copy], before);
    assert.deepEqual(namesOf(judgement), ['copy Own']);
    assert.match(statesOf(judgement)[0]!, /^deleting west: Conflict: .* already declared in PeerTrustDomain "copy"/);
  });

  it('leave a third alone', () => {
    assert.deepEqual(namesOf(judge([copy, older, objectOf('north')])), ['west Own', 'north Own']);
  });
});

describe('an object is refused', () => {
  it('for our own trust domain', () => {
    const judgement = judge([objectOf('east'), objectOf('west')]);
    assert.match(statesOf(judgement)[0]!, /^east: OwnTrustDomain: .*cannot be its own peer/);
    assert.deepEqual(namesOf(judgement), ['west Own']);
  });

  it('with every fault of its spec, each with the field', () => {
    const spec = { mode: 'Both', bundleEndpointURL: 'http://w/' };
    const [state] = statesOf(judge([objectOf('west', { spec, ...NO_FINALIZER })]));
    assert.match(state!, /^west: Invalid: spec\.bundleEndpointURL: must be an https URL.*; spec\.mode: must be Own or/);
  });

  it('while what it said before stays in force, also for objects after it', () => {
    const before = judge([objectOf('west', { spec: { mode: 'Delegate' } })]).memory;
    const faulty = objectOf('west', { ...FAULTY, metadata: { generation: 2 } });
    const judgement = judge([faulty, objectOf('north')], before);
    assert.match(
      statesOf(judgement).find((state) => state.startsWith('west'))!,
      /Invalid: .*\(still in force\)$/,
    );
    assert.deepEqual(namesOf(judgement).sort(), ['north Own', 'west Delegate']);
    assert.equal(judgement.declarations.incompleteBecause, undefined);
  });

  it('and after a restart nothing is removed, as nobody knows what it said before', () => {
    const { declarations } = judge([objectOf('west', FAULTY), objectOf('north')]);
    assert.match(declarations.incompleteBecause!, /PeerTrustDomain "west": has faults/);
  });

  it('and holds no removal when it never had the finalizer, so never an effect', () => {
    const { declarations } = judge([objectOf('west', { ...FAULTY, ...NO_FINALIZER }), objectOf('north')]);
    assert.equal(declarations.incompleteBecause, undefined);
  });
});

describe('an object in force', () => {
  it('is no peer before the finalizer is on it, and nothing is removed meanwhile', () => {
    const judgement = judge([objectOf('west', NO_FINALIZER), objectOf('north')]);
    assert.deepEqual(namesOf(judgement), ['north Own']);
    assert.match(
      judgement.declarations.incompleteBecause!,
      /^west: waiting for the finalizer fedbroker\.dev\/unfederate/,
    );
    assert.deepEqual(statesOf(judgement), ['north: in force', 'west: in force']);
  });

  it('stays a peer when somebody takes the finalizer off by hand', () => {
    const before = judge([objectOf('west')]).memory;
    assert.deepEqual(namesOf(judge([objectOf('west', NO_FINALIZER)], before)), ['west Own']);
  });

  it('is no peer once it is being deleted', () => {
    const judgement = judge([objectOf('west', { metadata: DELETING })], judge([objectOf('west')]).memory);
    assert.deepEqual(namesOf(judgement), []);
    assert.equal(judgement.declarations.incompleteBecause, undefined);
    assert.deepEqual(statesOf(judgement), ['deleting west: in force']);
  });

  it('gives the same peer while only its status, labels or finalizers change', () => {
    const first = judge([objectOf('west')]);
    const later = objectOf('west', { metadata: { resourceVersion: '2', labels: { a: 'b' } }, status: { writer: 'x' } });
    const second = judge([later], first.memory);
    assert.equal(second.declarations.peers[0], first.declarations.peers[0]);
    const changed = objectOf('west', { spec: { mode: 'Delegate' }, metadata: { generation: 2 } });
    assert.deepEqual(namesOf(judge([changed], second.memory)), ['west Delegate']);
  });
});

describe('the annotation accept-digest', () => {
  const digest = 'AB'.repeat(32);
  const annotated = (value: string) =>
    objectOf('west', {
      metadata: { annotations: { 'fedbroker.dev/accept-digest': value } },
      spec: { policy: { acceptDigest: 'cd'.repeat(32) } },
    });

  it('goes before the digest in spec', () => {
    assert.equal(judge([annotated(digest)]).declarations.peers[0]?.acceptDigest, digest.toLowerCase());
  });

  it('counts without a new generation', () => {
    const before = judge([objectOf('west')]).memory;
    assert.equal(judge([annotated(digest)], before).declarations.peers[0]?.acceptDigest, digest.toLowerCase());
  });

  it('is refused when it is no digest, and nothing else changes', () => {
    const judgement = judge([annotated('abc')]);
    assert.equal(judgement.declarations.peers[0]?.acceptDigest, 'cd'.repeat(32));
    assert.match(
      statesOf(judgement)[0]!,
      /^west: Invalid: metadata\.annotations\.fedbroker\.dev\/accept-digest: must be the SHA-256 .*\(still in force\)$/,
    );
  });
});
