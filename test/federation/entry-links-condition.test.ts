// Does an operator see why chosen workloads do not meet a peer beside spire-controller-manager, and what to change?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import { conditionsOf, type Condition } from '../../src/federation/conditions.ts';
import { known, unreadable, type Facts } from '../../src/federation/facts.ts';
import type { StepOutcome } from '../../src/federation/judgement.ts';
import { planFederation } from '../../src/federation/plan.ts';
import type { Peer } from '../../src/federation/relationship.ts';
import {
  bundleOf,
  clusterSpiffeIdOf,
  controllerManagerOf,
  entryOf,
  factsOf,
  NOW,
  peerOf,
  selecting,
  WEST,
} from './samples.ts';

const OWN = new Map<TrustDomain, 'Own' | 'Delegate'>([[WEST, 'Own']]);
const CHOOSES: Partial<Peer> = { clusterSpiffeIds: { matchLabels: { federate: 'west' }, matchExpressions: [] } };
const ALL: Partial<Peer> = { entrySelectors: selecting('/**') };
const CHOSEN = { labels: { federate: 'west' } };
const NO_ANSWER = unreadable({ code: 'KubeForbidden', message: 'grant verb "get"' }, NOW);
const RENDERED = [{ ...entryOf('/pod'), id: 'cluster.1' }, entryOf('/vm', [WEST])];

function cluster(changes: Partial<Facts> = {}): Partial<Facts> {
  return {
    clusterSpiffeIds: known([clusterSpiffeIdOf('api', { ...CHOSEN, federatesWith: [WEST] })], NOW),
    federatedTrustDomains: known([], NOW),
    controllerManager: known(controllerManagerOf(), NOW),
    ...changes,
  };
}

function conditions(peer: Partial<Peer>, facts: Partial<Facts>, outcomes: readonly StepOutcome[] = []): Condition[] {
  const peers = [peerOf(WEST, peer)];
  const situation = { peers, managed: OWN, stored: [bundleOf(WEST)], fetched: [bundleOf(WEST)], entries: RENDERED };
  const all = factsOf(situation, facts);
  const [plan] = planFederation(all, { maxRoots: 100 }).peers;
  return conditionsOf({ plan: plan!, facts: all, outcomes, entriesFederated: 1 });
}

const settings = (...[changes, reconciles]: Parameters<typeof controllerManagerOf>) => ({
  controllerManager: known(controllerManagerOf(changes, reconciles), NOW),
});
const otherClass = known([clusterSpiffeIdOf('alien', { ...CHOSEN, className: 'x' })], NOW);

describe('the condition EntriesFederated', () => {
  const rows: readonly (readonly [string, Partial<Peer>, Partial<Facts>, string, RegExp])[] = [
    ['counts ClusterSPIFFEIDs and entries', CHOOSES, cluster(), 'True Federated', /^1 ClusterSPIFFEIDs and 1 entries/],
    [
      'is done when no object has the labels',
      CHOOSES,
      cluster({ clusterSpiffeIds: known([], NOW) }),
      'True Federated',
      /^0 /,
    ],
    ['asks for the controller-manager where there is none', CHOOSES, {}, 'False NoClusterSpiffeIds', /install/],
    [
      'does not know while objects cannot be read',
      CHOOSES,
      cluster({ clusterSpiffeIds: NO_ANSWER }),
      'Unknown KubeForbidden',
      /^1 entries name this peer and stay as they are; .*: grant/,
    ],
    [
      'does not know while settings cannot be read',
      CHOOSES,
      cluster({ controllerManager: NO_ANSWER }),
      'Unknown KubeForbidden',
      /which ones serve our SPIRE: grant/,
    ],
    [
      'says when nobody reconciles them',
      CHOOSES,
      cluster(settings({}, { clusterSpiffeIds: false })),
      'False ClusterSpiffeIdsNotReconciled',
      /entries$/,
    ],
    [
      'names the class that is looked at',
      CHOOSES,
      cluster({ clusterSpiffeIds: otherClass }),
      'False ClassNameDiffers',
      /"alien" first.*className "spire"$/,
    ],
    [
      'names the missing class too',
      CHOOSES,
      cluster({ clusterSpiffeIds: otherClass, ...settings({ className: undefined }) }),
      'False ClassNameDiffers',
      /no className$/,
    ],
    [
      'says that classless objects count',
      CHOOSES,
      cluster({ clusterSpiffeIds: otherClass, ...settings({ watchClassless: true }) }),
      'False ClassNameDiffers',
      /or none$/,
    ],
    [
      'counts the entries that it leaves alone',
      ALL,
      cluster(),
      'False EntriesOfControllerManager',
      /^1 chosen entries .*"cluster\."/,
    ],
    [
      'does not know who owns entries while settings cannot be read',
      ALL,
      cluster({ controllerManager: NO_ANSWER }),
      'Unknown KubeForbidden',
      /^1 chosen entries are left alone/,
    ],
    [
      'asks for a prefix',
      {},
      cluster(settings({ entryIdPrefix: undefined })),
      'False ControllerManagerOwnsEntries',
      /Set entryIDPrefix/,
    ],
    ['asks for nothing where nothing is chosen', {}, cluster(), 'True NotAskedFor', /^no entry/],
    ['says nothing of a paused peer', { ...CHOOSES, suspend: 'Paused' }, {}, 'True Federated', /^0 /],
    ['works without settings', CHOOSES, cluster({ controllerManager: undefined }), 'True Federated', /^1 /],
  ];
  for (const [what, peer, facts, expected, message] of rows) {
    it(what, () => {
      const condition = conditions(peer, facts).find(({ type }) => type === 'EntriesFederated');
      assert.equal(`${condition?.status ?? ''} ${condition?.reason ?? ''}`, expected);
      assert.match(condition?.message ?? '', message);
    });
  }

  it('names the ClusterSPIFFEID whose update failed', () => {
    const error = Object.assign(new Error('somebody else wrote'), { code: 'KubeConflict' });
    const outcome: StepOutcome = { kind: 'UpdateClusterSpiffeIds', trustDomains: [WEST], error, subject: 'api' };
    const condition = conditions(CHOOSES, cluster(), [outcome]).find(({ type }) => type === 'EntriesFederated');
    assert.equal(condition?.message, 'api: somebody else wrote');
  });
});

describe('the condition BundleStored', () => {
  it('does not know of a delegated peer before it is known who looks after relationships', () => {
    const peers = [peerOf(WEST, { mode: 'Delegate' })];
    const facts = factsOf({ peers }, cluster({ controllerManager: NO_ANSWER }));
    const [plan] = planFederation(facts, { maxRoots: 100 }).peers;
    const list = conditionsOf({ plan: plan!, facts, outcomes: [], entriesFederated: 0 });
    const condition = list.find(({ type }) => type === 'BundleStored');
    assert.equal(`${condition?.status ?? ''} ${condition?.reason ?? ''}`, 'Unknown KubeForbidden');
  });
});
