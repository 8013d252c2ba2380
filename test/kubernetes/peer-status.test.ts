// Does an object's status say what is true of its peer, and does it fit the schema whatever the broker reports?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { peerTrustDomainStatusOf, type PeerStatusInput } from '../../src/kubernetes/peer-status.ts';
import { peerTrustDomainStatus, type PeerTrustDomainStatus } from '../../src/kubernetes/peer-trust-domain.ts';
import { conditions, declared, refused, reported, root, STEP_TYPES } from './declared-west.ts';

const NOW = new Date('2030-01-01T00:10:00.750Z');
const LATER = new Date('2030-01-01T00:20:00Z');

function statusOf(changes: Partial<PeerStatusInput> = {}): PeerTrustDomainStatus {
  const input = {
    declared: declared(),
    reported: reported(),
    isNewest: true,
    present: undefined,
    handled: {},
    identity: 'broker-0',
    now: NOW,
  };
  return peerTrustDomainStatusOf({ ...input, ...changes });
}

const find = (status: PeerTrustDomainStatus, type: string) => status.conditions?.find((each) => each.type === type);
const line = (status: PeerTrustDomainStatus, type: string) => {
  const { status: value, reason, observedGeneration } = find(status, type) ?? {};
  return `${value ?? ''} ${reason ?? ''} ${observedGeneration ?? 'no generation'}`;
};
const types = (status: PeerTrustDomainStatus) => status.conditions?.map(({ type }) => type);

describe('the status of an object', () => {
  it('remembers what its annotations asked for, also before the broker has looked', () => {
    const handled = { lastHandledRefresh: '1', lastHandledRebootstrap: '2' };
    const present = statusOf();
    for (const changes of [{}, { reported: undefined, present }]) {
      const { lastHandledRefresh, lastHandledRebootstrap } = statusOf({ ...changes, handled });
      assert.deepEqual({ lastHandledRefresh, lastHandledRebootstrap }, handled);
    }
  });

  it('shows everything the broker reports of the peer', () => {
    const { conditions: list, ...rest } = statusOf();
    assert.deepEqual(rest, {
      observedGeneration: 2,
      bundle: {
        digest: 'd1',
        sequence: '7',
        refreshHintSeconds: 300,
        roots: [{ ...root(1), notAfter: '2031-01-01T00:00:00Z' }],
        jwtKeyIds: ['k1'],
      },
      lastFetch: { at: '2030-01-01T00:00:00Z', result: 'Fetched' },
      lastAccepted: '2030-01-01T00:00:00Z',
      nextFetch: '2030-01-01T00:05:00Z',
      entriesFederated: 3,
      writer: 'broker-0',
    });
    assert.deepEqual(types(statusOf()), STEP_TYPES);
    assert.deepEqual(list?.at(-1), {
      type: 'Ready',
      status: 'True',
      observedGeneration: 2,
      lastTransitionTime: '2030-01-01T00:10:00Z',
      reason: 'Ready',
      message: 'Ready is done',
    });
  });

  it('leaves out what is not known', () => {
    const { bundle, lastFetch, lastSuccess, nextFetch, verdict, ...least } = reported();
    assert.ok(bundle && lastFetch && lastSuccess && nextFetch && verdict);
    assert.deepEqual(Object.keys(statusOf({ reported: least })), [
      'observedGeneration',
      'conditions',
      'entriesFederated',
      'writer',
    ]);
  });

  it('keeps the time of a transition while the status stays, and moves it when the status changes', () => {
    const present = statusOf();
    const failing = { type: 'BundleFetched', status: 'False', reason: 'EndpointRefused', message: 'no' } as const;
    const after = statusOf({ present, now: LATER, reported: reported({ conditions: conditions(failing) }) });
    assert.equal(find(after, 'Accepted')?.lastTransitionTime, '2030-01-01T00:10:00Z');
    assert.equal(find(after, 'BundleFetched')?.lastTransitionTime, '2030-01-01T00:20:00Z');
    const other = reported({ conditions: conditions({ ...failing, reason: 'Stale' }) });
    const stale = statusOf({ present: after, now: new Date('2030-01-01T00:30:00Z'), reported: other });
    assert.equal(find(stale, 'BundleFetched')?.lastTransitionTime, '2030-01-01T00:20:00Z');
  });

  it('keeps when a bundle was last accepted while later ones are refused', () => {
    const present = statusOf();
    const bad = reported({ verdict: { verdict: 'refused' }, lastSuccess: '2030-01-01T00:09:00Z' });
    assert.equal(statusOf({ present, reported: bad }).lastAccepted, '2030-01-01T00:00:00Z');
  });

  for (const reason of ['Invalid', 'Conflict', 'OwnTrustDomain'] as const) {
    it(`says why an object is refused as ${reason}, and nothing of a peer that is not its own`, () => {
      const status = statusOf({ declared: refused(reason, 'spec.x is wrong', 'Nothing'), reported: undefined });
      assert.deepEqual(types(status), ['Accepted', 'Ready']);
      assert.equal(line(status, 'Accepted'), `False ${reason} 2`);
      assert.equal(line(status, 'Ready'), `False ${reason} 2`);
      assert.equal(find(status, 'Accepted')?.message, 'spec.x is wrong');
      assert.equal(find(status, 'Ready')?.message, 'Accepted: spec.x is wrong');
      assert.equal(status.observedGeneration, undefined);
    });
  }

  it('tells a refused change from the earlier content that stays in force', () => {
    const present = { ...statusOf(), observedGeneration: 1 };
    const status = statusOf({ declared: refused('Invalid', 'spec.x is wrong', 'Earlier'), present });
    assert.deepEqual(types(status), STEP_TYPES);
    assert.equal(status.observedGeneration, 1);
    assert.equal(line(status, 'Accepted'), 'False Invalid 2');
    assert.match(find(status, 'Accepted')?.message ?? '', /What the object said before stays in force$/);
    assert.equal(line(status, 'BundleStored'), 'True Stored 1');
    assert.equal(line(status, 'Ready'), 'False Invalid 2');
    assert.equal(status.bundle?.digest, 'd1');
  });

  it('says that a new object was not looked at yet', () => {
    const status = statusOf({ reported: undefined });
    assert.equal(line(status, 'Accepted'), 'True Declared 2');
    assert.equal(line(status, 'Ready'), 'Unknown NotLookedYet 2');
  });

  it('keeps what the leader before found, until this one has looked', () => {
    const present = statusOf();
    assert.deepEqual(statusOf({ present, reported: undefined, identity: 'broker-1', now: LATER }), present);

    const first = { type: 'BundleFetched', status: 'Unknown', reason: 'NotFetchedYet', message: 'wait' } as const;
    const { lastFetch, lastSuccess, ...restarted } = reported({ conditions: conditions(first) });
    assert.ok(lastFetch && lastSuccess);
    const status = statusOf({ present, reported: restarted, now: LATER });
    assert.deepEqual(status, present);
  });

  it('keeps whether the peer holds what signs for us, until a new leader has asked SPIRE', () => {
    const type = 'HoldsOurAuthorities';
    const late = { type, status: 'False', reason: 'ActiveNotHeld', message: 'late' } as const;
    const present = statusOf({ reported: reported({ conditions: [...conditions(), late] }) });
    const asking = { type, status: 'Unknown', reason: 'AuthoritiesNotLookedYet', message: 'wait' } as const;
    const restarted = reported({ conditions: [...conditions(), asking] });
    assert.deepEqual(statusOf({ present, reported: restarted, now: LATER }), present);
  });

  it('does not keep what was found of other content of the object', () => {
    const first = { type: 'BundleFetched', status: 'Unknown', reason: 'NotFetchedYet', message: 'wait' } as const;
    const changed = declared({ generation: 3 });
    const input = { declared: changed, present: statusOf(), reported: reported({ conditions: conditions(first) }) };
    assert.equal(line(statusOf(input), 'Ready'), 'Unknown NotFetchedYet 3');
  });

  it('says which content it is about while the object was edited and no pass has judged it yet', () => {
    const present = statusOf();
    const edited = { declared: declared({ generation: 3 }), present };
    const failing = { type: 'BundleFetched', status: 'False', reason: 'ConnectFailed', message: 'no' } as const;
    const old = statusOf({ ...edited, reported: reported({ conditions: conditions(failing) }), isNewest: false });
    assert.equal(old.observedGeneration, 2);
    assert.equal(line(old, 'Ready'), 'False ConnectFailed 2');
    const judged = statusOf({ ...edited, present: old });
    assert.equal(judged.observedGeneration, 3);
    assert.equal(line(judged, 'Ready'), 'True Ready 3');
  });

  it('says nothing of what an earlier object of the same name declared', () => {
    const status = statusOf({ isNewest: false });
    assert.equal(line(status, 'Ready'), 'Unknown NotLookedYet 2');
    assert.equal(status.bundle, undefined);
  });

  it('forgets a refusal when the object is put right', () => {
    const present = statusOf({ declared: refused('Invalid', 'wrong', 'Nothing'), reported: undefined });
    assert.equal(line(statusOf({ present, reported: undefined }), 'Ready'), 'Unknown NotLookedYet 2');
  });

  it('says that an object is being deleted, with and without a report of its peer', () => {
    const deleting = { ...declared(), deleting: true };
    const present = statusOf();
    const status = statusOf({ declared: deleting, present });
    assert.deepEqual(types(status), STEP_TYPES);
    assert.equal(line(status, 'Ready'), 'False Deleting 2');
    const unreported = statusOf({ declared: deleting, present, reported: undefined });
    assert.deepEqual(types(unreported), ['Accepted', 'Ready']);
    assert.equal(unreported.bundle, undefined);
  });

  it('lists 64 roots and key IDs at most and says how many more there are', () => {
    const many = { digest: 'd', roots: Array.from({ length: 70 }, (_, i) => root(i)), jwtKeyIds: Array(66).fill('k') };
    const status = statusOf({ reported: reported({ bundle: many }) });
    assert.equal(status.bundle?.roots.length, 64);
    assert.equal(status.bundle.jwtKeyIds.length, 64);
    const { message } = find(status, 'BundleStored') ?? {};
    assert.equal(message, 'BundleStored is done; not listed here: 6 more roots and 2 more JWT key IDs');
    assert.equal(find(statusOf(), 'BundleStored')?.message, 'BundleStored is done');
  });

  it('cuts a message that the API server would not take', () => {
    const long = { type: 'BundleVerified', status: 'False', reason: 'R', message: '🔑'.repeat(40_000) } as const;
    const { message = '' } =
      find(statusOf({ reported: reported({ conditions: conditions(long) }) }), 'BundleVerified') ?? {};
    assert.equal(Array.from(message).length, 32_768);
    assert.ok(message.endsWith('🔑…'));
  });

  it('spells every reason as the schema wants it', () => {
    const spelt = (reason: string) => {
      const odd = { type: 'BundleStored', status: 'False', reason, message: 'm' } as const;
      return find(statusOf({ reported: reported({ conditions: conditions(odd) }) }), 'BundleStored')?.reason;
    };
    assert.deepEqual(['Ok', 'with-dash', '', '4xx'].map(spelt), ['Ok', 'with_dash', 'Reason_', 'Reason_4xx']);
  });

  it('fits the schema whatever texts and counts are reported', () => {
    const text = fc.string({ maxLength: 60, unit: 'binary' });
    const report = fc.record({
      conditions: fc
        .tuple(text, text, fc.constantFrom('True', 'False', 'Unknown'))
        .map(([reason, message, status]) =>
          conditions({ type: 'BundleStored', status: status as 'True', reason, message }),
        ),
      bundle: fc.record({
        digest: text,
        roots: fc.array(fc.nat().map(root), { maxLength: 80 }),
        jwtKeyIds: fc.array(text, { maxLength: 80 }),
      }),
      entriesFederated: fc.nat(),
    });
    fc.assert(
      fc.property(report, (changes) => {
        const { error } = peerTrustDomainStatus.safeParse(statusOf({ reported: reported(changes) }));
        assert.equal(error, undefined);
      }),
      { numRuns: 40 },
    );
  });
});
