// Does an operator see where a peer is stuck, why, and what to try?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { conditionsOf, CONDITIONS, type Condition, type ConditionInput } from '../../src/federation/conditions.ts';
import { unreadable, type Facts, type FetchFact } from '../../src/federation/facts.ts';
import { planFederation } from '../../src/federation/plan.ts';
import type { CodedError } from '../../src/federation/ports.ts';
import {
  bundleOf,
  entryOf,
  factsOf,
  fetchedFact,
  NOW,
  peerOf,
  relationshipOf,
  selecting,
  WEST,
  type Situation,
} from './samples.ts';

const good: Situation = {
  peers: [peerOf(WEST)],
  stored: [bundleOf(WEST)],
  fetched: [bundleOf(WEST)],
  entries: [entryOf('/api', [WEST])],
};

function conditions(
  situation: Situation,
  changes: Partial<Facts> = {},
  outcomes: ConditionInput['outcomes'] = [],
): Condition[] {
  const facts = factsOf(situation, changes);
  const [plan] = planFederation(facts, { maxRoots: 100 }).peers;
  return conditionsOf({ plan: plan!, facts, outcomes, entriesFederated: 1 });
}

const find = (list: readonly Condition[], type: string) => list.find((condition) => condition.type === type);
const line = (condition: Condition | undefined) => `${condition?.status ?? ''} ${condition?.reason ?? ''}`;

function failing(reason: string, changes: Partial<FetchFact> = {}): Partial<Facts> {
  const failure = { reason, message: 'it did not work', since: NOW, attempts: 3 };
  return { fetched: new Map([[WEST, { ...fetchedFact(bundleOf(WEST)), failure, ...changes }]]) };
}

function failed(kind: ConditionInput['outcomes'][number]['kind'], subject?: string): ConditionInput['outcomes'] {
  const error: CodedError = Object.assign(new Error('SPIRE said no'), { code: 'SpireRefused' });
  return [{ kind, trustDomains: [WEST], error, ...(subject !== undefined && { subject }) }];
}

describe('conditionsOf', () => {
  it('says Ready when every step of the flow is done', () => {
    const list = conditions(good);
    assert.deepEqual(
      list.filter(({ status }) => status !== 'True'),
      [],
    );
    assert.deepEqual(
      list.map(({ type }) => type),
      [...CONDITIONS.map(({ type }) => type), 'Ready'],
    );
  });

  const rows: readonly (readonly [string, string, Situation, Partial<Facts>, ConditionInput['outcomes'], string])[] = [
    ['a paused peer', 'Accepted', { ...good, peers: [peerOf(WEST, { suspend: 'Paused' })] }, {}, [], 'False Suspended'],
    ['a revoked peer', 'Accepted', { ...good, peers: [peerOf(WEST, { suspend: 'Revoke' })] }, {}, [], 'False Revoked'],
    [
      'a bootstrap that cannot be read',
      'Accepted',
      { ...good, peers: [peerOf(WEST, { mode: 'Delegate' })] },
      { bootstraps: new Map([[WEST, unreadable({ code: 'BootstrapUnreadable', message: 'no file' }, NOW)]]) },
      [],
      'False BootstrapUnreadable',
    ],
    [
      'another writer',
      'SingleWriter',
      { ...good, relationships: [relationshipOf(peerOf(WEST))] },
      {},
      [],
      'False Conflict',
    ],
    ['an endpoint with another ID', 'EndpointTrusted', good, failing('EndpointIdWrong'), [], 'False EndpointIdWrong'],
    ['an endpoint that is down', 'EndpointTrusted', good, failing('ConnectFailed'), [], 'True Verified'],
    ['an endpoint never reached', 'EndpointTrusted', good, { fetched: new Map() }, [], 'Unknown NotFetchedYet'],
    ['an endpoint that is down', 'BundleFetched', good, failing('ConnectFailed'), [], 'False ConnectFailed'],
    [
      'an endpoint that is down for long',
      'BundleFetched',
      good,
      failing('ConnectFailed', { lastSuccessAt: new Date(NOW.getTime() - 3_600_000) }),
      [],
      'False Stale',
    ],
    ['a first fetch that is under way', 'BundleFetched', good, { fetched: new Map() }, [], 'Unknown NotFetchedYet'],
    ['a held bundle', 'BundleVerified', { ...good, fetched: [bundleOf(WEST, [])] }, {}, [], 'False EmptyBundle'],
    [
      'a refused bundle',
      'BundleVerified',
      { ...good, fetched: [bundleOf(WEST, [0], { sequenceNumber: 1n })] },
      {},
      [],
      'False SequenceRollback',
    ],
    [
      'a store that cannot be read',
      'BundleVerified',
      good,
      { stored: unreadable({ code: 'SpireUnreachable', message: 'down' }, NOW) },
      [],
      'Unknown SpireUnreachable',
    ],
    [
      'a store that cannot be read',
      'BundleStored',
      good,
      { stored: unreadable({ code: 'SpireUnreachable', message: 'down' }, NOW) },
      [],
      'Unknown SpireUnreachable',
    ],
    [
      'nothing stored',
      'BundleStored',
      { ...good, stored: [], fetched: [bundleOf(WEST, [])] },
      {},
      [],
      'False NothingStored',
    ],
    ['nothing fetched yet', 'BundleStored', { ...good, stored: [], fetched: [] }, {}, [], 'Unknown NothingFetched'],
    ['a store that SPIRE refused', 'BundleStored', good, {}, failed('StoreBundle'), 'False SpireRefused'],
    [
      'an entry that SPIRE refused',
      'EntriesFederated',
      good,
      {},
      failed('UpdateEntries', 'spiffe://east.example/api'),
      'False SpireRefused',
    ],
    [
      'entries that are chosen',
      'EntriesFederated',
      { ...good, peers: [peerOf(WEST, { entrySelectors: selecting('/**') })] },
      {},
      [],
      'True Federated',
    ],
    ['no choice of entries', 'EntriesFederated', good, {}, [], 'True NotAskedFor'],
    [
      'entries that cannot be read',
      'EntriesFederated',
      good,
      { entries: unreadable({ code: 'SpireUnreachable', message: 'down' }, NOW) },
      [],
      'Unknown SpireUnreachable',
    ],
    [
      'a peer that SPIRE fetches from',
      'BundleFetched',
      { ...good, peers: [peerOf(WEST, { mode: 'Delegate' })] },
      {},
      [],
      'True FetchedBySpire',
    ],
  ];
  for (const [what, type, situation, changes, outcomes, expected] of rows) {
    it(`says ${type} ${expected} of ${what}`, () => {
      assert.equal(line(find(conditions(situation, changes, outcomes), type)), expected);
    });
  }

  it('gives Ready the first step that failed, before one that is unknown', () => {
    const list = conditions(good, {
      ...failing('ConnectFailed'),
      entries: unreadable({ code: 'SpireUnreachable', message: 'down' }, NOW),
    });
    const ready = find(list, 'Ready');
    assert.equal(line(ready), 'False ConnectFailed');
    assert.match(ready?.message ?? '', /^BundleFetched: it did not work/);
  });

  it('says with which command a root that was missed is repaired', () => {
    const condition = find(conditions(good, failing('EndpointRootUnknown')), 'EndpointTrusted');
    assert.equal(line(condition), 'False EndpointRootUnknown');
    assert.match(condition?.message ?? '', /fedbroker rebootstrap west --bundle FILE$/);
  });

  it('names the digest with which a held bundle can be accepted', () => {
    const rolledBack = { ...good, fetched: [bundleOf(WEST, [0], { sequenceNumber: 1n })] };
    assert.match(find(conditions(rolledBack), 'BundleVerified')?.message ?? '', /policy\.acceptDigest: [0-9a-f]{64}$/);
  });

  it('counts further failures after the first', () => {
    const outcomes = [
      ...failed('UpdateEntries', 'spiffe://east.example/a'),
      ...failed('UpdateEntries', 'spiffe://east.example/b'),
    ];
    const { message } = find(conditions(good, {}, outcomes), 'EntriesFederated')!;
    assert.equal(message, 'spiffe://east.example/a: SPIRE said no (and 1 more)');
  });
});
