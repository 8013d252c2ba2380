// Is nothing taken up before the peer has shown that it wants us, and nothing cut because of silence unless asked for?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Acknowledgement } from '../../src/federation/acknowledgement.ts';
import { conditionsOf } from '../../src/federation/conditions.ts';
import type { Facts, FetchFact } from '../../src/federation/facts.ts';
import { planFederation } from '../../src/federation/plan.ts';
import type { PeerPolicy } from '../../src/federation/relationship.ts';
import { bundleOf, entryOf, factsOf, fetchedFact, NOW, peerOf, POLICY, selecting, WEST } from './samples.ts';

const OWN = new Map([[WEST, 'Own']] as const);
const ASKED: Acknowledgement = { trustDomain: WEST, at: NOW, holds: undefined };

function planned(facts: Facts) {
  const plan = planFederation(facts, { maxRoots: 100 });
  const [peerPlan] = plan.peers;
  const conditions = conditionsOf({ plan: peerPlan!, facts, outcomes: [], entriesFederated: 0 });
  const stored = conditions.find(({ type }) => type === 'BundleStored')!;
  const ready = conditions.find(({ type }) => type === 'Ready')!;
  return { kinds: plan.steps.map(({ kind }) => kind), stored, ready };
}

const wanting = (policy: Partial<PeerPolicy>) =>
  peerOf(WEST, { policy: { ...POLICY, ...policy }, entrySelectors: selecting('/**') });

describe('a peer with requireConsent', () => {
  const peers = [wanting({ requireConsent: true })];
  const situation = { peers, entries: [entryOf('/api')], fetched: [bundleOf(WEST)] };

  it('is withheld, not even recorded, until its broker has asked our endpoint; the condition says what to do', () => {
    const { kinds, stored, ready } = planned(factsOf(situation));
    assert.deepEqual(kinds, []);
    assert.equal(`${stored.status} ${stored.reason}`, 'False WaitingForPeer');
    assert.match(stored.message, /was fetched and is withheld.*declare us/);
    assert.equal(ready.reason, 'WaitingForPeer');
  });

  it('is taken up when it has asked', () => {
    const facts = factsOf(situation, { acknowledgements: new Map([[WEST, ASKED]]) });
    assert.deepEqual(planned(facts).kinds, ['RecordManagedPeers', 'StoreBundle', 'UpdateEntries']);
  });

  it('of mode Delegate makes SPIRE fetch nothing before', () => {
    const delegated = [{ ...peers[0]!, mode: 'Delegate' as const }];
    assert.deepEqual(planned(factsOf({ ...situation, peers: delegated })).kinds, []);
    const facts = factsOf({ ...situation, peers: delegated }, { acknowledgements: new Map([[WEST, ASKED]]) });
    assert.deepEqual(planned(facts).kinds, ['RecordManagedPeers', 'CreateRelationship']);
  });

  it('that is federated already goes on: a rotation waits for nobody', () => {
    const held = { ...situation, managed: OWN, stored: [bundleOf(WEST)], fetched: [bundleOf(WEST, [0, 1])] };
    assert.deepEqual(planned(factsOf(held)).kinds, ['StoreBundle', 'UpdateEntries']);
  });
});

it('of a peer that asks for our bundle and applies none of it, BundleStored says that it may hold us back', () => {
  const situation = { peers: [peerOf(WEST)], managed: OWN, stored: [bundleOf(WEST)], fetched: [bundleOf(WEST)] };
  assert.doesNotMatch(planned(factsOf(situation)).stored.message, /hold it back/);
  const { stored } = planned(factsOf(situation, { acknowledgements: new Map([[WEST, ASKED]]) }));
  assert.equal(stored.status, 'True');
  assert.match(stored.message, /has applied no version of it.*may hold it back/);
});

describe('a peer that does not answer', () => {
  const silentFor = (seconds: number): FetchFact => ({
    ...fetchedFact(bundleOf(WEST)),
    lastSuccessAt: new Date(NOW.getTime() - seconds * 1000),
    failure: { reason: 'ConnectFailed', message: 'no connection', since: NOW, attempts: 3 },
  });
  const facts = (policy: Partial<PeerPolicy>, seconds: number, changes: Partial<FetchFact> = {}) =>
    factsOf(
      { peers: [wanting(policy)], managed: OWN, stored: [bundleOf(WEST)], entries: [entryOf('/api', [WEST])] },
      { fetched: new Map([[WEST, { ...silentFor(seconds), ...changes }]]) },
    );
  const fetched = (given: Facts) => {
    const [peerPlan] = planFederation(given, { maxRoots: 100 }).peers;
    const input = { plan: peerPlan!, facts: given, outcomes: [], entriesFederated: 1 };
    return conditionsOf(input).find(({ type }) => type === 'BundleFetched')?.reason;
  };
  const EXPIRING = { staleAfterSeconds: 60, expireAfterSeconds: 3600 };

  it('is failing, then stale, then expired', () => {
    assert.equal(fetched(facts(EXPIRING, 59)), 'ConnectFailed');
    assert.equal(fetched(facts(EXPIRING, 60)), 'Stale');
    assert.equal(fetched(facts(EXPIRING, 3600)), 'Expired');
    assert.equal(fetched(facts({ staleAfterSeconds: 60 }, 10 ** 9)), 'Stale');
  });

  it('keeps what is held, however long it is silent', () => {
    assert.deepEqual(planned(facts(EXPIRING, 10 ** 9)).kinds, []);
  });

  it('is cut when the policy says Cut, and not a second before', () => {
    const cutting = { ...EXPIRING, onExpired: 'Cut' } as const;
    assert.deepEqual(planned(facts(cutting, 3599)).kinds, []);
    const { kinds, stored } = planned(facts(cutting, 3600));
    assert.deepEqual(kinds, ['DeleteBundle']);
    assert.equal(stored.reason, 'Expired');
  });

  it('is not cut by a restart of ours: then the first failure counts', () => {
    const cutting = { ...EXPIRING, onExpired: 'Cut' } as const;
    assert.deepEqual(planned(facts(cutting, 10 ** 9, { lastSuccessAt: undefined })).kinds, []);
  });

  it('comes back when it answers', () => {
    const cutting = { ...EXPIRING, onExpired: 'Cut' } as const;
    const back = factsOf({
      peers: [wanting(cutting)],
      managed: OWN,
      entries: [entryOf('/api')],
      fetched: [bundleOf(WEST)],
    });
    assert.deepEqual(planned(back).kinds, ['StoreBundle', 'UpdateEntries']);
  });
});
