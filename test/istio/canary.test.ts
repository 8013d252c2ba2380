// Does one revision of istiod get what is new first, and the others only when it has taken it up?
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { fingerprint } from '../../src/bundle/bundle.ts';
import { toPem } from '../../src/bundle/certificate.ts';
import { known, unreadable } from '../../src/federation/facts.ts';
import { constrainedAnchor } from '../../src/istio/constrained-anchor.ts';
import { meshObjectKey } from '../../src/federation/mesh-objects.ts';
import { bundleOf, NORTH, NOW, ROOTS, WEST } from '../federation/samples.ts';
import { accepting, meshPeer, MeshWorld } from './mesh-world.ts';

const CANARY = '1-30';
const OTHERS = ['default', '1-29'] as const;
const SOAK_MS = 300_000;
const AT_ONCE = { listIntervalMs: 0, rootIntervalMs: 0 };

const anchorsOf = (numbers: readonly number[]) =>
  numbers.map((number) => fingerprint(constrainedAnchor(ROOTS.get(NORTH)![number]!, NORTH))).sort();

describe('with a revision of istiod that goes first', () => {
  let world: MeshWorld;

  beforeEach(() => {
    world = new MeshWorld();
    world.revisions = [CANARY, ...OTHERS];
    world.limits = { ...world.limits, ...AT_ONCE, canary: { revision: CANARY, soakMs: SOAK_MS } };
    world.peers = [meshPeer(NORTH, accepting('Constrained'))];
    world.stored = [bundleOf(NORTH), bundleOf(WEST)];
  });

  const namesAt = (revision: string) => world.contentOf(revision).trustDomains;
  const rootsAt = (revision: string) => world.contentOf(revision).anchors.map(fingerprint).sort();
  const verdict = () => world.look().plan.peers[0]?.verdict;

  /** North, with its first root, in all revisions. */
  function settle(): void {
    world.pass();
    world.pass();
    world.pass(SOAK_MS);
    world.pass();
    for (const revision of world.revisions) assert.deepEqual(rootsAt(revision), anchorsOf([0]));
  }

  it('writes a new peer there, says that the others wait and until when, and writes them then', () => {
    world.pass();
    assert.deepEqual([CANARY, ...OTHERS].map(namesAt), [[NORTH], [], []]);
    const { nextLookAt } = world.pass();
    const until = new Date(NOW.getTime() + SOAK_MS);
    assert.deepEqual([verdict()?.code, verdict()?.until, nextLookAt], ['WaitsForCanary', until, until]);
    assert.deepEqual(world.pass(SOAK_MS - 1).steps, []);
    assert.equal(world.pass(1).steps.length, OTHERS.length);
    for (const revision of OTHERS) assert.deepEqual([namesAt(revision), rootsAt(revision)], [[NORTH], anchorsOf([0])]);
    assert.equal(verdict()?.code, 'AcceptedConstrained');
    assert.deepEqual(world.pass(SOAK_MS).steps, []);
  });

  it('does so with a root that comes beside others', () => {
    settle();
    world.stored = [bundleOf(NORTH, [0, 1])];
    world.pass();
    world.pass();
    assert.deepEqual(
      [CANARY, ...OTHERS].map((each) => rootsAt(each).length),
      [2, 1, 1],
    );
    world.pass(SOAK_MS);
    for (const revision of OTHERS) assert.deepEqual(rootsAt(revision), anchorsOf([0, 1]));
  });

  it('takes a withdrawn root from all at once, while the new one waits', () => {
    settle();
    world.stored = [bundleOf(NORTH, [0, 1])];
    for (const afterMs of [0, 0, SOAK_MS, 0]) world.pass(afterMs);
    world.stored = [bundleOf(NORTH, [1, 2])];
    world.pass();
    assert.deepEqual(rootsAt(CANARY), anchorsOf([1, 2]));
    for (const revision of OTHERS) assert.deepEqual(rootsAt(revision), anchorsOf([1]));
    assert.equal(verdict()?.code, 'WaitsForCanary');
  });

  it('leaves no peer without a root: one that replaces all of them does not wait', () => {
    settle();
    world.stored = [bundleOf(NORTH, [2])];
    world.pass();
    for (const revision of world.revisions) assert.deepEqual(rootsAt(revision), anchorsOf([2]));
  });

  it('takes a peer from all at once', () => {
    settle();
    world.peers = [meshPeer(NORTH, accepting('Constrained'), { suspend: 'Revoke' })];
    world.pass();
    for (const revision of world.revisions) assert.deepEqual(rootsAt(revision), []);
    world.peers = [];
    world.pass();
    for (const revision of world.revisions) assert.deepEqual(namesAt(revision), []);
  });

  it('lets an urgent name in everywhere at once', () => {
    world.peers = [meshPeer(NORTH, accepting('Constrained', { urgent: true }))];
    world.pass();
    for (const revision of world.revisions)
      assert.deepEqual([namesAt(revision), rootsAt(revision)], [[NORTH], anchorsOf([0])]);
  });

  it('restores what somebody deleted elsewhere at once', () => {
    settle();
    world.objects.delete(meshObjectKey(world.refOf('1-29')));
    world.pass(1);
    assert.deepEqual(rootsAt('1-29'), anchorsOf([0]));
  });

  it('writes a revision that comes later at once: the first one has had it for long', () => {
    world.revisions = [CANARY, 'default'];
    settle();
    world.revisions = [CANARY, ...OTHERS];
    world.pass();
    assert.deepEqual(rootsAt('1-29'), anchorsOf([0]));
  });

  it('gives the others nothing that the first one cannot have', () => {
    world.pass();
    world.put(world.refOf(CANARY), { data: { mesh: '' } }, { ours: false, otherManagers: ['helm'] });
    world.memory = { ...world.memory, objects: new Map() };
    for (const afterMs of [0, SOAK_MS, SOAK_MS]) world.pass(afterMs);
    assert.deepEqual(OTHERS.map(namesAt), [[], []]);
    assert.equal(verdict()?.code, 'OwnershipConflict');
  });

  it('gives the others nothing while it cannot be seen what the first one has, and takes nothing from them', () => {
    settle();
    world.stored = [bundleOf(NORTH, [0, 1])];
    const object = unreadable({ code: 'KubeUnavailable', message: 'gone' }, NOW);
    const shared = world.look().facts.shared.map((each) => (each.revision === CANARY ? { ...each, object } : each));
    world.facts = { shared };
    assert.deepEqual(world.pass(SOAK_MS).steps, []);
  });

  it('does not begin to wait anew when the broker starts again', () => {
    world.pass();
    world.restart();
    world.pass();
    for (const revision of OTHERS) assert.deepEqual(namesAt(revision), [NORTH]);
  });

  describe('whose istiod is asked what it uses', () => {
    const merged = (numbers: readonly number[], names: readonly string[] = [NORTH]) => {
      const pems = numbers.map((number) => toPem(constrainedAnchor(ROOTS.get(NORTH)![number]!, NORTH)));
      world.facts = { merged: known({ trustDomains: names, pems }, world.now) };
    };

    it('waits until it uses it, however long that takes', () => {
      merged([], []);
      for (const afterMs of [0, SOAK_MS, SOAK_MS]) world.pass(afterMs);
      assert.deepEqual(OTHERS.map(namesAt), [[], []]);
      assert.match(verdict()?.message ?? '', /istiodDebugUrl must be that of this revision/);
      merged([0]);
      world.pass();
      for (const revision of OTHERS) assert.deepEqual(rootsAt(revision), anchorsOf([0]));
    });

    it('waits while it does not answer', () => {
      world.facts = { merged: unreadable({ code: 'IstiodUnavailable', message: 'refused' }, NOW) };
      for (const afterMs of [0, SOAK_MS, SOAK_MS]) world.pass(afterMs);
      assert.deepEqual([OTHERS.map(namesAt), verdict()?.code], [[[], []], 'WaitsForCanary']);
    });
  });

  it('goes on without it where no istiod has that revision, and says so', () => {
    world.revisions = OTHERS;
    const { peers } = world.pass();
    for (const revision of OTHERS) assert.deepEqual(namesAt(revision), [NORTH]);
    assert.deepEqual(
      peers[0]?.warnings.map(({ code }) => code),
      ['CanaryMissing'],
    );
  });
});
