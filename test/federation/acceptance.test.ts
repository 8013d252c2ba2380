// May this bundle replace the held one? (SPIFFE Federation §4.2)
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BundleError } from '../../src/bundle/bundle-error.ts';
import { findingOf } from '../../src/bundle/bundle-rules.ts';
import { bundleDigest, type Bundle } from '../../src/bundle/bundle.ts';
import { RootIndexer } from '../../src/bundle/known-roots.ts';
import {
  judgeFetchedBundle,
  storedAlike,
  type AcceptanceInput,
  type Verdict,
} from '../../src/federation/acceptance.ts';
import { makeRoot } from '../fakes/fake-ca.ts';
import { bundleOf, documentOf, EAST, NORTH, NOW, peerOf, POLICY as policy, WEST } from './samples.ts';

const jwtAuthorities = [{ keyId: 'a', publicKey: Buffer.from('key') }];

function judge(changes: Partial<AcceptanceInput>): Verdict {
  return judgeFetchedBundle({
    peer: peerOf(WEST),
    content: documentOf(bundleOf(WEST)),
    held: undefined,
    knownRoots: new RootIndexer().index(bundleOf(EAST), []),
    maxRoots: 100,
    now: NOW,
    ...changes,
  });
}

/** The verdict and its reason, on one line. */
function line(verdict: Verdict): string {
  return 'reason' in verdict ? `${verdict.verdict} ${verdict.reason}` : verdict.verdict;
}

const noticeIds = ({ notices }: Verdict) => notices.map(({ id }) => id);

describe('judgeFetchedBundle', () => {
  it('accepts a good bundle at first contact', () => {
    const verdict = judge({});
    assert.ok(verdict.verdict === 'accepted');
    assert.deepEqual(verdict.bundle, bundleOf(WEST));
  });

  it('finds the same keys, number and hint unchanged, whatever the order of the keys', () => {
    const content = documentOf(bundleOf(WEST, [0, 1]));
    assert.equal(line(judge({ content, held: bundleOf(WEST, [1, 0]) })), 'unchanged');
  });

  it('finds a document unchanged when only keys that are ignored differ from what is held', () => {
    const content = {
      ...documentOf(bundleOf(WEST)),
      findings: [findingOf('UnknownUse', 'keys[1] has use "new"', 'keys[1]')],
    };
    const verdict = judge({ content, held: bundleOf(WEST) });
    assert.equal(line(verdict), 'unchanged');
    assert.deepEqual(noticeIds(verdict), ['UnknownUse']);
  });

  for (const [what, changes] of [
    ['a new root', { x509Authorities: bundleOf(WEST, [0, 1]).x509Authorities }],
    ['a higher number', { sequenceNumber: 8n }],
    ['another hint', { refreshHintSeconds: 60 }],
    ['a new JWT key', { jwtAuthorities }],
  ] as const) {
    it(`accepts ${what}`, () => {
      assert.equal(
        line(judge({ content: documentOf(bundleOf(WEST, [0], changes)), held: bundleOf(WEST) })),
        'accepted',
      );
    });
  }

  it('refuses what cannot be read, with the reader’s reason', () => {
    assert.equal(line(judge({ content: new BundleError('KeysMissing', 'no keys') })), 'refused KeysMissing');
  });

  it('refuses what a bundle rule refuses (rule 4): our own root, another’s root', () => {
    assert.equal(line(judge({ content: documentOf({ ...bundleOf(EAST), trustDomain: WEST }) })), 'refused OwnRoot');
    const knownRoots = new RootIndexer().index(undefined, [bundleOf(NORTH)]);
    const content = documentOf({ ...bundleOf(NORTH), trustDomain: WEST });
    assert.equal(line(judge({ content, knownRoots })), 'refused RootOfOtherTrustDomain');
  });

  describe('EmptyBundle (rule 2)', () => {
    const empty = documentOf(bundleOf(WEST, []));
    it('holds an authenticated document without keys', () => {
      assert.equal(line(judge({ content: empty, held: bundleOf(WEST) })), 'held EmptyBundle');
      assert.equal(line(judge({ content: empty })), 'held EmptyBundle');
    });
    it('obeys it when policy.onEmptyBundle is Revoke', () => {
      const peer = peerOf(WEST, { policy: { ...policy, onEmptyBundle: 'Revoke' } });
      assert.equal(line(judge({ peer, content: empty, held: bundleOf(WEST) })), 'revoked');
    });
    it('does not let an operator accept it by digest', () => {
      const peer = peerOf(WEST, { acceptDigest: bundleDigest(empty.bundle) });
      assert.equal(line(judge({ peer, content: empty })), 'held EmptyBundle');
    });
  });

  it('holds a document none of whose keys can be used, also when empty ones are obeyed: NoUsableKeys', () => {
    const content = { ...documentOf(bundleOf(WEST, [])), findings: [findingOf('UnknownUse', 'x', 'keys[0]')] };
    const peer = peerOf(WEST, { policy: { ...policy, onEmptyBundle: 'Revoke' } });
    assert.equal(line(judge({ peer, content, held: bundleOf(WEST) })), 'held NoUsableKeys');
  });

  it('holds a bundle with JWT keys alone: NoX509Authorities', () => {
    assert.equal(
      line(judge({ content: documentOf(bundleOf(WEST, [], { jwtAuthorities })) })),
      'held NoX509Authorities',
    );
  });

  describe('AllRootsExpired (rule 2)', () => {
    const expired = async (notAfter: string) => (await makeRoot(WEST, { notAfter: new Date(notAfter) })).der;
    const bundle = (...x509Authorities: readonly Uint8Array[]): Bundle => ({
      ...bundleOf(WEST, [], { sequenceNumber: 9n }),
      x509Authorities,
    });
    it('holds a bundle with nothing but expired roots, also at the first contact', async () => {
      const content = documentOf(bundle(await expired('2021-01-01'), await expired('2022-01-01')));
      assert.equal(line(judge({ content, held: bundleOf(WEST) })), 'held AllRootsExpired');
      const verdict = judge({ content });
      assert.ok(verdict.verdict === 'held' && verdict.releaseDigest === bundleDigest(content.bundle));
      assert.match(verdict.message, /the last 2022-01-01T00:00:00.000Z/);
    });
    it('accepts one with a root that is still valid beside expired ones, to the second', async () => {
      const end = new Date(Math.floor(NOW.getTime() / 1000) * 1000);
      for (const [ms, expected] of [
        [0, 'accepted'],
        [1_000, 'held AllRootsExpired'],
      ] as const) {
        const content = documentOf(bundle(await expired('2021-01-01'), await expired(end.toISOString())));
        assert.equal(line(judge({ content, held: bundleOf(WEST), now: new Date(end.getTime() + ms) })), expected);
      }
    });
    it('accepts it when the operator names its digest: our clock may be the wrong one', async () => {
      const content = documentOf(bundle(await expired('2021-01-01')));
      const peer = peerOf(WEST, { acceptDigest: bundleDigest(content.bundle) });
      assert.equal(line(judge({ peer, content, held: bundleOf(WEST) })), 'accepted');
    });
    it('is no matter of a bundle that is held already: time alone takes nothing away', async () => {
      const held = bundle(await expired('2021-01-01'));
      assert.equal(line(judge({ content: documentOf(held), held })), 'unchanged');
    });
  });

  describe('SequenceRollback (rule 3)', () => {
    const held = bundleOf(WEST, [0], { sequenceNumber: 2n ** 63n });
    const older = bundleOf(WEST, [1], { sequenceNumber: 2n ** 63n - 1n });
    it('refuses a lower number, also above 2^53', () => {
      const verdict = judge({ content: documentOf(older), held });
      assert.equal(line(verdict), 'refused SequenceRollback');
      assert.ok('releaseDigest' in verdict && verdict.releaseDigest === bundleDigest(older));
    });
    it('accepts it when the operator names its digest, and writes its number', () => {
      const verdict = judge({
        peer: peerOf(WEST, { acceptDigest: bundleDigest(older) }),
        content: documentOf(older),
        held,
      });
      assert.ok(verdict.verdict === 'accepted');
      assert.equal(verdict.bundle.sequenceNumber, older.sequenceNumber);
    });
    it('does not accept it when the operator names another digest', () => {
      const peer = peerOf(WEST, { acceptDigest: bundleDigest(held) });
      assert.equal(line(judge({ peer, content: documentOf(older), held })), 'refused SequenceRollback');
    });
    it('takes the newest fetch when the document has no number, and keeps the held number as guard: absent is not zero', () => {
      const verdict = judge({ content: documentOf({ ...older, sequenceNumber: undefined }), held });
      assert.ok(verdict.verdict === 'accepted');
      assert.equal(verdict.bundle.sequenceNumber, held.sequenceNumber);
      assert.ok(noticeIds(verdict).includes('SequenceMissing'));
      const again = judge({ content: documentOf({ ...older, sequenceNumber: undefined }), held: verdict.bundle });
      assert.equal(line(again), 'unchanged');
    });
    it('takes the newest fetch of the same number with other content, and says so', () => {
      const verdict = judge({ content: documentOf({ ...older, sequenceNumber: held.sequenceNumber }), held });
      assert.equal(verdict.verdict, 'accepted');
      assert.ok(noticeIds(verdict).includes('SequenceReuse'));
    });
  });

  describe('DisjointRoots', () => {
    const peer = peerOf(WEST, { policy: { ...policy, onDisjointRoots: 'Hold' } });
    const content = documentOf(bundleOf(WEST, [1], { sequenceNumber: 8n }));
    it('are held by policy, until the digest is named', () => {
      assert.equal(line(judge({ peer, content, held: bundleOf(WEST) })), 'held DisjointRoots');
      const released = { ...peer, acceptDigest: bundleDigest(content.bundle) };
      assert.equal(line(judge({ peer: released, content, held: bundleOf(WEST) })), 'accepted');
    });
    it('are accepted by default, and said', () => {
      const verdict = judge({ content, held: bundleOf(WEST) });
      assert.equal(verdict.verdict, 'accepted');
      assert.deepEqual(noticeIds(verdict), ['DisjointRoots']);
    });
    it('are no objection while one root stays', () => {
      const overlapping = documentOf(bundleOf(WEST, [0, 1], { sequenceNumber: 8n }));
      assert.equal(line(judge({ peer, content: overlapping, held: bundleOf(WEST) })), 'accepted');
    });
  });
});

describe('storedAlike', () => {
  it('knows that SPIRE keeps 0 for "no number" and "no hint"', () => {
    const none = { sequenceNumber: undefined, refreshHintSeconds: undefined };
    assert.ok(
      storedAlike(bundleOf(WEST, [0], { sequenceNumber: 0n, refreshHintSeconds: 0 }), bundleOf(WEST, [0], none)),
    );
    assert.ok(!storedAlike(bundleOf(WEST, [0], { sequenceNumber: 1n }), bundleOf(WEST, [0], none)));
  });
});
