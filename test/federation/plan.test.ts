// Does the plan lead from what SPIRE holds to what is declared, in the only safe order?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Bundle } from '../../src/bundle/bundle.ts';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import { known, unreadable, type Facts } from '../../src/federation/facts.ts';
import { planFederation, type Step } from '../../src/federation/plan.ts';
import type { Peer } from '../../src/federation/relationship.ts';
import {
  bundleOf,
  entryOf,
  factsOf,
  NORTH,
  NOW,
  peerOf,
  POLICY,
  relationshipOf,
  selecting,
  WEST,
  type Situation,
} from './samples.ts';

const LIMITS = { maxRoots: 100 };
const OWN = new Map<TrustDomain, 'Own' | 'Delegate'>([[WEST, 'Own']]);
const DELEGATE = new Map<TrustDomain, 'Own' | 'Delegate'>([[WEST, 'Delegate']]);

const plan = (situation: Situation, changes: Partial<Facts> = {}) =>
  planFederation(factsOf(situation, changes), LIMITS);

/** A step on one line. */
function line(step: Step): string {
  if (step.kind === 'RecordManagedPeers') {
    return `record ${[...step.managed].map(([name, mode]) => `${mode}:${name}`).join(',')}`;
  }
  if (step.kind === 'UpdateEntries') {
    const links = (names: readonly TrustDomain[], sign: string) => names.map((name) => `${sign}${name}`);
    return step.changes
      .map(({ entry, add, remove }) => [entry.id, ...links(add, '+'), ...links(remove, '-')].join(' '))
      .join('; ');
  }
  if (step.kind === 'UpdateClusterSpiffeIds') return `${step.changes.length} ClusterSPIFFEIDs`;
  if (step.kind === 'DeleteBundle') return `delete bundle ${step.trustDomain} ${step.mode}`;
  if (step.kind !== 'CreateRelationship') return `${step.kind} ${step.trustDomain}`;
  return `create relationship ${step.trustDomain}${step.bootstrap === undefined ? '' : ' with bootstrap'}`;
}

const lines = (situation: Situation, changes: Partial<Facts> = {}) => plan(situation, changes).steps.map(line);

describe('planFederation', () => {
  it('records a new peer, stores its bundle, then links entries: SPIRE refuses an entry that names an unknown bundle', () => {
    const peers = [peerOf(WEST, { entrySelectors: selecting('/pay/**') })];
    const entries = [entryOf('/pay/api'), entryOf('/other')];
    assert.deepEqual(lines({ peers, entries, fetched: [bundleOf(WEST)] }), [
      'record Own:west.example',
      'StoreBundle west.example',
      'entry-pay-api +west.example',
    ]);
  });

  it('links no entry before there is a bundle', () => {
    const peers = [peerOf(WEST, { entrySelectors: selecting('/**') })];
    assert.deepEqual(lines({ peers, entries: [entryOf('/api')], managed: OWN }), []);
  });

  it('plans nothing over what is already as declared (rule 7)', () => {
    const peers = [peerOf(WEST, { entrySelectors: selecting('/**') })];
    const situation = {
      peers,
      entries: [entryOf('/api', [WEST])],
      managed: OWN,
      stored: [bundleOf(WEST)],
      fetched: [bundleOf(WEST)],
    };
    assert.deepEqual(lines(situation), []);
  });

  it('strips entries, then deletes the bundle, and forgets a removed peer only when SPIRE was read without it', () => {
    const entries = [entryOf('/api', [WEST, NORTH]), entryOf('/other', [NORTH])];
    const removed = { entries, managed: OWN, stored: [bundleOf(WEST), bundleOf(NORTH)] };
    assert.deepEqual(lines(removed), ['entry-api -west.example', 'delete bundle west.example Restrict']);
    assert.deepEqual(lines({ ...removed, entries: [], stored: [bundleOf(NORTH)] }), ['record ']);
  });

  it('removes nothing while the declarations cannot be read in full (rule 8)', () => {
    const situation = { managed: OWN, stored: [bundleOf(WEST)], incompleteBecause: 'west.yaml has faults' };
    assert.deepEqual(lines(situation), []);
    assert.deepEqual(plan(situation).heldRemovals, [WEST]);
  });

  it('never touches bundles, entries and relationships that are not declared and not managed (rule 10)', () => {
    const north = peerOf(NORTH);
    const situation = {
      stored: [bundleOf(NORTH)],
      entries: [entryOf('/api', [NORTH])],
      relationships: [relationshipOf(north)],
    };
    assert.deepEqual(lines({ ...situation, peers: [peerOf(WEST)], managed: OWN }), []);
  });

  for (const fact of ['declared', 'stored', 'relationships', 'entries', 'managed'] as const) {
    it(`plans nothing while "${fact}" cannot be read: unreadable is never empty (rule 1)`, () => {
      const peers = [peerOf(WEST, { entrySelectors: selecting('/**') })];
      const situation = {
        peers,
        managed: new Map([...OWN, [NORTH, 'Own' as const]]),
        stored: [bundleOf(NORTH)],
        fetched: [bundleOf(WEST)],
      };
      assert.notDeepEqual(lines(situation), []);
      const unknown = unreadable({ code: 'SpireUnreachable', message: 'down' }, NOW);
      assert.deepEqual(lines(situation, { [fact]: unknown }), []);
    });
  }

  it('stores nothing that is held or refused (rules 1, 2)', () => {
    const stored = [bundleOf(WEST)];
    const bad: Bundle[] = [bundleOf(WEST, []), bundleOf(WEST, [1], { sequenceNumber: 6n })];
    for (const fetched of bad) {
      assert.deepEqual(lines({ peers: [peerOf(WEST)], managed: OWN, stored, fetched: [fetched] }), []);
    }
  });

  it('stores nothing while our own bundle is not known: a root of ours would pass for the peer’s (rule 4)', () => {
    const ownBundle = unreadable({ code: 'SpireUnreachable', message: 'down' }, NOW);
    const situation = { peers: [peerOf(WEST)], fetched: [bundleOf(WEST)], managed: OWN };
    assert.deepEqual(plan(situation, { ownBundle }).steps, []);
    assert.equal(plan(situation, { ownBundle }).peers[0]?.verdict, undefined);
    assert.equal(plan(situation).peers[0]?.verdict?.verdict, 'accepted');
  });

  it('stores nothing before it is known whether SPIRE itself polls the peer (rule 9)', () => {
    const situation = { peers: [peerOf(WEST)], managed: OWN, fetched: [bundleOf(WEST)] };
    assert.deepEqual(lines(situation, { staticPollers: new Map() }), []);
    assert.deepEqual(lines(situation), ['StoreBundle west.example']);
  });

  describe('beside another writer (rule 9)', () => {
    const peers = [peerOf(WEST, { entrySelectors: selecting('/**') })];
    const situation = {
      peers,
      fetched: [bundleOf(WEST, [0, 1])],
      stored: [bundleOf(WEST)],
      entries: [entryOf('/api')],
    };
    const reasons: readonly (readonly [string, Situation, Partial<Facts>])[] = [
      ['ApiRelationship', { ...situation, relationships: [relationshipOf(peerOf(WEST))] }, {}],
      ['StaticRelationship', situation, { staticPollers: new Map([[WEST, 'Present']]) }],
      ['BundleOverwritten', { ...situation, managed: OWN }, { overwritten: new Set([WEST]) }],
    ];
    for (const [reason, facts, changes] of reasons) {
      it(`changes nothing of the peer and says ${reason}`, () => {
        assert.deepEqual(lines(facts, changes), []);
        assert.equal(plan(facts, changes).peers[0]?.otherWriter?.reason, reason);
      });
    }
    it('goes on with the other peers', () => {
      const both = {
        ...situation,
        peers: [...peers, peerOf(NORTH)],
        fetched: [bundleOf(WEST, [0, 1]), bundleOf(NORTH)],
      };
      const changes = { overwritten: new Set([WEST]) };
      assert.deepEqual(lines(both, changes), ['record Own:north.example', 'StoreBundle north.example']);
    });
  });

  describe('with mode Delegate', () => {
    const peer = peerOf(WEST, { mode: 'Delegate', entrySelectors: selecting('/**') });
    it('creates the relationship, and links entries when SPIRE holds the bundle', () => {
      const situation = { peers: [peer], entries: [entryOf('/api')] };
      assert.deepEqual(lines(situation), ['record Delegate:west.example', 'create relationship west.example']);
      const later = {
        ...situation,
        managed: DELEGATE,
        relationships: [relationshipOf(peer)],
        stored: [bundleOf(WEST)],
      };
      assert.deepEqual(lines(later), ['entry-api +west.example']);
    });
    it('gives the declared bundle for the first contact, and only while SPIRE holds none', () => {
      const bootstrapped: Peer = { ...peer, bootstrap: { type: 'inline', text: '{}' } };
      const situation = { peers: [bootstrapped], managed: DELEGATE };
      assert.deepEqual(lines(situation), []);
      const bootstraps = new Map([[WEST, known(bundleOf(WEST), NOW)]]);
      assert.deepEqual(lines(situation, { bootstraps }), ['create relationship west.example with bootstrap']);
      const held = { ...situation, stored: [bundleOf(WEST)] };
      assert.deepEqual(lines(held, { bootstraps }), ['create relationship west.example']);
    });
    it('gives it again when somebody deleted what SPIRE held: without a bundle SPIRE can verify no endpoint', () => {
      const bootstrapped: Peer = { ...peer, bootstrap: { type: 'inline', text: '{}' } };
      const situation = { peers: [bootstrapped], managed: DELEGATE, relationships: [relationshipOf(peer)] };
      const bootstraps = new Map([[WEST, known(bundleOf(WEST), NOW)]]);
      assert.deepEqual(lines(situation), []);
      assert.deepEqual(lines(situation, { bootstraps }), ['StoreBundle west.example']);
      assert.deepEqual(lines({ ...situation, stored: [bundleOf(WEST, [1])] }, { bootstraps }), []);
    });
    it('changes the relationship when URL, profile or endpoint ID differ, and only then', () => {
      const situation = { peers: [peer], managed: DELEGATE, relationships: [relationshipOf(peer)] };
      assert.deepEqual(lines(situation), []);
      const others: readonly Partial<Peer>[] = [
        { bundleEndpointUrl: 'https://elsewhere/' },
        { profile: { type: 'https_web' } },
        { profile: peerOf(NORTH).profile },
      ];
      for (const change of others) {
        const relationships = [{ ...relationshipOf(peer), ...relationshipOf({ ...peer, ...change }) }];
        assert.deepEqual(lines({ ...situation, relationships }), ['UpdateRelationship west.example']);
      }
    });
    it('stores nothing by itself', () => {
      const situation = {
        peers: [peer],
        managed: DELEGATE,
        relationships: [relationshipOf(peer)],
        fetched: [bundleOf(WEST)],
      };
      assert.deepEqual(lines(situation), []);
    });
    it('is left by deleting our relationship first, then storing', () => {
      const own = peerOf(WEST);
      const situation = {
        peers: [own],
        managed: DELEGATE,
        relationships: [relationshipOf(own)],
        fetched: [bundleOf(WEST)],
      };
      assert.deepEqual(lines(situation), ['DeleteRelationship west.example']);
      assert.deepEqual(lines({ ...situation, relationships: [] }), [
        'record Own:west.example',
        'StoreBundle west.example',
      ]);
    });
    it('is removed with its relationship', () => {
      const situation = { managed: DELEGATE, relationships: [relationshipOf(peer)], stored: [bundleOf(WEST)] };
      assert.deepEqual(lines(situation), ['DeleteRelationship west.example', 'delete bundle west.example Restrict']);
    });
  });

  describe('suspended', () => {
    const situation = {
      managed: OWN,
      stored: [bundleOf(WEST)],
      entries: [entryOf('/api', [WEST])],
      fetched: [bundleOf(WEST, [0, 1])],
    };
    it('by true: changes nothing', () => {
      assert.deepEqual(lines({ ...situation, peers: [peerOf(WEST, { suspend: 'Paused' })] }), []);
    });
    it('by Revoke: cuts the links and deletes the bundle at once', () => {
      const peers = [peerOf(WEST, { suspend: 'Revoke' })];
      assert.deepEqual(lines({ ...situation, peers }), ['delete bundle west.example Dissociate']);
      assert.deepEqual(lines({ ...situation, peers, stored: [], entries: [entryOf('/api')] }), []);
    });
  });

  it('takes trust away when the peer revokes itself and policy lets us obey, and does not link it again', () => {
    const policy = { ...POLICY, onEmptyBundle: 'Revoke' } as const;
    const peers = [peerOf(WEST, { policy, entrySelectors: selecting('/**') })];
    const situation = { peers, managed: OWN, fetched: [bundleOf(WEST, [])] };
    const entries = [entryOf('/api', [WEST])];
    assert.deepEqual(lines({ ...situation, stored: [bundleOf(WEST)], entries }), [
      'delete bundle west.example Dissociate',
    ]);
    assert.deepEqual(lines({ ...situation, entries: [entryOf('/api')] }), []);
  });

  describe('entries', () => {
    const held = { managed: OWN, stored: [bundleOf(WEST)], fetched: [bundleOf(WEST)] };
    it('that do not match keep the peer by default, and lose it when the scope is Exact', () => {
      const entries = [entryOf('/pay/api'), entryOf('/other', [WEST])];
      const peer = peerOf(WEST, { entrySelectors: selecting('/pay/*') });
      assert.deepEqual(lines({ ...held, peers: [peer], entries }), ['entry-pay-api +west.example']);
      const exact = { ...peer, entryScope: 'Exact' as const };
      assert.deepEqual(lines({ ...held, peers: [exact], entries }), [
        'entry-pay-api +west.example; entry-other -west.example',
      ]);
    });
    it('gain one peer and lose another in one update', () => {
      const peers = [peerOf(WEST, { entrySelectors: selecting('/**') })];
      const managed = new Map([...OWN, [NORTH, 'Own' as const]]);
      const situation = {
        ...held,
        peers,
        managed,
        stored: [bundleOf(WEST), bundleOf(NORTH)],
        entries: [entryOf('/api', [NORTH])],
      };
      assert.deepEqual(lines(situation), [
        'entry-api +west.example -north.example',
        'delete bundle north.example Restrict',
      ]);
    });
    it('meet nobody when the peer selects none', () => {
      assert.deepEqual(lines({ ...held, peers: [peerOf(WEST)], entries: [entryOf('/api')] }), []);
    });
  });
});
