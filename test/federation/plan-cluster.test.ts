// Does the plan keep out of spire-controller-manager's way, and reach the workloads through its resources?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import { clusterSpiffeIdAfter } from '../../src/federation/cluster-spiffeid-links.ts';
import { known, unreadable, type Facts } from '../../src/federation/facts.ts';
import { planFederation, type Step } from '../../src/federation/plan.ts';
import type { ClusterFederatedTrustDomain, ClusterSpiffeId, ControllerManager } from '../../src/federation/ports.ts';
import type { Peer } from '../../src/federation/relationship.ts';
import {
  bundleOf,
  clusterSpiffeIdOf,
  controllerManagerOf,
  entryOf,
  factsOf,
  federatedTrustDomainOf,
  NORTH,
  NOW,
  peerOf,
  relationshipOf,
  selecting,
  WEST,
  type Situation,
} from './samples.ts';

const OWN = new Map<TrustDomain, 'Own' | 'Delegate'>([[WEST, 'Own']]);
const DELEGATE = new Map<TrustDomain, 'Own' | 'Delegate'>([[WEST, 'Delegate']]);
const CHOOSES: Partial<Peer> = { clusterSpiffeIds: { matchLabels: { federate: 'west' }, matchExpressions: [] } };
const CHOSEN = { labels: { federate: 'west' } };
const NO_ANSWER = unreadable({ code: 'KubeUnreachable', message: 'no connection' }, NOW);

interface Cluster {
  readonly ids?: readonly ClusterSpiffeId[];
  readonly declared?: readonly ClusterFederatedTrustDomain[];
  readonly manager?: ControllerManager;
}

function cluster({ ids = [], declared = [], manager = controllerManagerOf() }: Cluster = {}): Partial<Facts> {
  return {
    clusterSpiffeIds: known(ids, NOW),
    federatedTrustDomains: known(declared, NOW),
    controllerManager: known(manager, NOW),
  };
}

/** A step on one line. */
function line(step: Step): string {
  if (step.kind === 'UpdateClusterSpiffeIds') {
    return step.changes.map((change) => [change.object.name, ...signed(change)].join(' ')).join('; ');
  }
  if (step.kind === 'UpdateEntries') {
    return step.changes.map((change) => [change.entry.id, ...signed(change)].join(' ')).join('; ');
  }
  if (step.kind === 'ApplyFederatedTrustDomain') {
    const { name, className, bootstrap } = step.declaration;
    return `apply ${name} of class ${className ?? 'none'}${bootstrap === undefined ? '' : ' with bootstrap'}`;
  }
  if (step.kind === 'DeleteFederatedTrustDomain') return `delete ${step.object.name}`;
  if (step.kind === 'RecordManagedPeers') return `record ${[...step.managed.keys()].join(',')}`;
  return `${step.kind} ${step.trustDomain}`;
}

function signed({ add, remove }: { readonly add: readonly TrustDomain[]; readonly remove: readonly TrustDomain[] }) {
  return [...add.map((name) => `+${name}`), ...remove.map((name) => `-${name}`)];
}

const plan = (situation: Situation, changes: Partial<Facts>, upkeepOnly = false) =>
  planFederation(factsOf(situation, changes), { maxRoots: 100, upkeepOnly });
const lines = (situation: Situation, changes: Partial<Facts>) => plan(situation, changes).steps.map(line);

const west = peerOf(WEST, CHOOSES);
const held: Situation = { peers: [west], managed: OWN, stored: [bundleOf(WEST)], fetched: [bundleOf(WEST)] };

describe('ClusterSPIFFEIDs', () => {
  it('gain a peer after its bundle is stored, and not before there is one', () => {
    const ids = [clusterSpiffeIdOf('api', CHOSEN), clusterSpiffeIdOf('other')];
    const { peers } = held;
    assert.deepEqual(lines({ peers: peers!, managed: OWN }, cluster({ ids })), []);
    assert.deepEqual(lines({ peers: peers!, managed: OWN, fetched: [bundleOf(WEST)] }, cluster({ ids })), [
      'StoreBundle west.example',
      'api +west.example',
    ]);
  });

  it('that name the peer already are left alone, whoever wrote it (rule 7)', () => {
    const ids = [clusterSpiffeIdOf('api', { ...CHOSEN, federatesWith: [WEST] })];
    assert.deepEqual(lines(held, cluster({ ids })), []);
  });

  it('lose a peer that no longer chooses them only where a broker added it', () => {
    const added = clusterSpiffeIdOf('added', { federatesWith: [WEST], addedByBroker: [WEST] });
    const written = clusterSpiffeIdOf('written', { federatesWith: [WEST] });
    assert.deepEqual(lines(held, cluster({ ids: [added, written] })), ['added -west.example']);
    const chooses = { ...held, peers: [peerOf(WEST)] };
    assert.deepEqual(lines(chooses, cluster({ ids: [added, written] })), ['added -west.example']);
    const paused = { ...held, peers: [peerOf(WEST, { suspend: 'Paused' })] };
    assert.deepEqual(lines(paused, cluster({ ids: [added, written] })), []);
  });

  it('keep every name that is not a peer of ours', () => {
    const object = clusterSpiffeIdOf('api', {
      ...CHOSEN,
      federatesWith: ['south.example', NORTH],
      addedByBroker: [NORTH],
    });
    assert.deepEqual(lines(held, cluster({ ids: [object] })), ['api +west.example']);
  });

  it('of another class are not touched, and of none only when the controller-manager looks at them', () => {
    const ids = [
      clusterSpiffeIdOf('alien', { ...CHOSEN, className: 'x' }),
      clusterSpiffeIdOf('none', { ...CHOSEN, className: undefined }),
    ];
    assert.deepEqual(lines(held, cluster({ ids })), []);
    const manager = controllerManagerOf({ watchClassless: true });
    assert.deepEqual(lines(held, cluster({ ids, manager })), ['none +west.example']);
  });

  it('are not touched while the controller-manager does not reconcile them', () => {
    const manager = controllerManagerOf({}, { clusterSpiffeIds: false });
    assert.deepEqual(lines(held, cluster({ ids: [clusterSpiffeIdOf('api', CHOSEN)], manager })), []);
  });

  it('are changed also where no settings say who makes entries of them', () => {
    const ids = known([clusterSpiffeIdOf('api', CHOSEN)], NOW);
    assert.deepEqual(lines(held, { clusterSpiffeIds: ids }), ['api +west.example']);
  });

  for (const fact of ['clusterSpiffeIds', 'controllerManager'] as const) {
    it(`are not touched while "${fact}" cannot be read, and bundles go on being stored (rule 1)`, () => {
      const situation = { ...held, fetched: [bundleOf(WEST, [0, 1])] };
      const ids = [clusterSpiffeIdOf('api', CHOSEN)];
      assert.deepEqual(lines(situation, { ...cluster({ ids }), [fact]: NO_ANSWER }), ['StoreBundle west.example']);
    });
  }

  it('are chosen by expressions too, over every object', () => {
    const clusterSpiffeIds = {
      matchLabels: {},
      matchExpressions: [{ key: 'federate', operator: 'Exists' as const, values: [] }],
    };
    const ids = [clusterSpiffeIdOf('api', CHOSEN), clusterSpiffeIdOf('other')];
    assert.deepEqual(lines({ ...held, peers: [peerOf(WEST, { clusterSpiffeIds })] }, cluster({ ids })), [
      'api +west.example',
    ]);
  });

  describe('are written', () => {
    const object = clusterSpiffeIdOf('api', {
      federatesWith: ['zz.example', WEST, 'aa.example'],
      addedByBroker: [WEST, 'gone.example'],
    });
    it('with the order kept, new names behind, sorted, and our names recorded', () => {
      const add = ['p.example', 'c.example'] as TrustDomain[];
      assert.deepEqual(clusterSpiffeIdAfter({ object, add, remove: [] }, new Set()), {
        federatesWith: ['zz.example', WEST, 'aa.example', 'c.example', 'p.example'],
        addedByBroker: ['c.example', 'p.example', WEST],
      });
    });
    it('without what goes, and without a change for peers whose earlier step failed', () => {
      assert.deepEqual(clusterSpiffeIdAfter({ object, add: [NORTH], remove: [WEST] }, new Set([NORTH])), {
        federatesWith: ['zz.example', 'aa.example'],
        addedByBroker: [],
      });
      assert.deepEqual(clusterSpiffeIdAfter({ object, add: [], remove: [WEST] }, new Set([WEST])), {
        federatesWith: object.federatesWith,
        addedByBroker: [WEST],
      });
    });
  });
});

describe('a peer that is no longer declared', () => {
  const gone: Situation = { managed: OWN, stored: [bundleOf(WEST)] };
  const rendered = { ...entryOf('/api', [WEST]), id: 'cluster.1' };

  it('leaves ClusterSPIFFEIDs first, whoever wrote it there; its bundle waits', () => {
    const facts = cluster({ ids: [clusterSpiffeIdOf('api', { federatesWith: [WEST] })] });
    const situation = { ...gone, entries: [rendered] };
    assert.deepEqual(lines(situation, facts), ['api -west.example']);
    assert.deepEqual(
      plan(situation, facts).waitingRemovals.map(({ reason }) => reason),
      ['ClusterSpiffeIdsNameIt'],
    );
  });

  it('then waits for the entries of the controller-manager, which it does not edit, and says how many', () => {
    const situation = { ...gone, entries: [rendered, entryOf('/other', [WEST])] };
    assert.deepEqual(lines(situation, cluster()), ['entry-other -west.example']);
    const [waiting] = plan(situation, cluster()).waitingRemovals;
    assert.equal(waiting?.reason, 'EntriesNameIt');
    assert.match(waiting.message, /^1 entries of spire-controller-manager still name it/);
  });

  it('then loses its bundle, and is forgotten when SPIRE was read without it', () => {
    assert.deepEqual(lines({ ...gone, entries: [entryOf('/api', [])] }, cluster()), ['DeleteBundle west.example']);
    assert.deepEqual(lines({ managed: OWN }, cluster()), ['record ']);
  });

  it('is not forgotten while a ClusterSPIFFEID names it', () => {
    const facts = cluster({ ids: [clusterSpiffeIdOf('api', { federatesWith: [WEST] })] });
    assert.deepEqual(lines({ managed: OWN }, facts), ['api -west.example']);
  });

  for (const fact of ['clusterSpiffeIds', 'controllerManager', 'federatedTrustDomains'] as const) {
    it(`waits while "${fact}" cannot be read`, () => {
      assert.deepEqual(lines(gone, { ...cluster(), [fact]: NO_ANSWER }), []);
      const [waiting] = plan(gone, { ...cluster(), [fact]: NO_ANSWER }).waitingRemovals;
      assert.equal(waiting?.reason, 'KubernetesUnreadable');
    });
  }

  it('is cut at once when it is revoked, also while Kubernetes cannot be read', () => {
    const peers = [peerOf(WEST, { suspend: 'Revoke' })];
    const facts = cluster({ ids: [clusterSpiffeIdOf('api', { federatesWith: [WEST] })] });
    const situation = { ...gone, peers, entries: [rendered] };
    assert.deepEqual(lines(situation, facts), ['api -west.example', 'DeleteBundle west.example']);
    assert.deepEqual(lines(situation, { ...facts, clusterSpiffeIds: NO_ANSWER }), ['DeleteBundle west.example']);
  });
});

describe('entries beside a controller-manager', () => {
  const peers = [peerOf(WEST, { entrySelectors: selecting('/**'), entryScope: 'Exact' })];
  const entries = [{ ...entryOf('/pod'), id: 'cluster.1' }, entryOf('/vm')];
  const rows: readonly (readonly [string, Partial<Facts>, readonly string[]])[] = [
    ['with its prefix are left alone', cluster(), ['entry-vm +west.example']],
    [
      'are ours to edit where it makes none',
      cluster({ manager: controllerManagerOf({}, { clusterSpiffeIds: false, clusterStaticEntries: false }) }),
      ['cluster.1 +west.example; entry-vm +west.example'],
    ],
    [
      'are all left alone where it has no prefix',
      cluster({ manager: controllerManagerOf({ entryIdPrefix: undefined }) }),
      [],
    ],
    ['are all left alone while its settings are not known', { ...cluster(), controllerManager: NO_ANSWER }, []],
  ];
  for (const [what, facts, expected] of rows) {
    it(what, () => {
      assert.deepEqual(lines({ ...held, peers, entries }, facts), expected);
    });
  }

  it('without a prefix: bundles that SPIRE holds are kept new, nothing else is begun, for our record would be deleted', () => {
    const facts = cluster({ manager: controllerManagerOf({ entryIdPrefix: undefined }) });
    const both = {
      peers: [...peers, peerOf(NORTH)],
      stored: [bundleOf(WEST)],
      fetched: [bundleOf(WEST, [0, 1]), bundleOf(NORTH)],
    };
    assert.deepEqual(lines(both, facts), ['StoreBundle west.example']);
  });
});

describe('while it is not known whether a controller-manager deletes our record', () => {
  const facts = { ...cluster(), controllerManager: NO_ANSWER };
  it('no new peer is taken up, and those that SPIRE holds are kept new', () => {
    const fetched = [bundleOf(WEST, [0, 1]), bundleOf(NORTH)];
    const peers = [peerOf(WEST), peerOf(NORTH)];
    assert.deepEqual(lines({ peers, stored: [bundleOf(WEST)], fetched }, facts), ['StoreBundle west.example']);
    assert.deepEqual(lines({ peers, managed: OWN, fetched }, facts), ['StoreBundle west.example']);
  });
});

describe('mode Delegate beside a controller-manager', () => {
  const peer = peerOf(WEST, { mode: 'Delegate' });
  const situation: Situation = { peers: [peer], managed: DELEGATE };

  it('declares the peer to it, in its class, and makes no relationship of our own', () => {
    assert.deepEqual(lines(situation, cluster()), ['apply west of class spire']);
    assert.deepEqual(lines(situation, cluster({ manager: controllerManagerOf({ className: undefined }) })), [
      'apply west of class none',
    ]);
    assert.deepEqual(lines(situation, cluster({ declared: [federatedTrustDomainOf(peer)] })), []);
  });

  it('makes the relationship itself where the controller-manager leaves them alone', () => {
    const manager = controllerManagerOf({}, { clusterFederatedTrustDomains: false });
    assert.deepEqual(lines(situation, cluster({ manager })), ['CreateRelationship west.example']);
  });

  it('gives the bundle for the first contact, and takes it out as soon as SPIRE holds one: it would be written again', () => {
    const bootstrapped = { ...situation, peers: [{ ...peer, bootstrap: { type: 'inline', text: '{}' } as const }] };
    assert.deepEqual(lines(bootstrapped, cluster()), []);
    const facts = { ...cluster(), bootstraps: new Map([[WEST, known(bundleOf(WEST), NOW)]]) };
    assert.deepEqual(lines(bootstrapped, facts), ['apply west of class spire with bootstrap']);
    const declared = [federatedTrustDomainOf(peer, { carriesBundle: true })];
    assert.deepEqual(lines(bootstrapped, { ...facts, ...cluster({ declared }) }), []);
    const emptied = [federatedTrustDomainOf(peer)];
    assert.deepEqual(lines(bootstrapped, { ...facts, ...cluster({ declared: emptied }) }), [
      'apply west of class spire with bootstrap',
    ]);
    const later = { ...bootstrapped, stored: [bundleOf(WEST)] };
    assert.deepEqual(lines(later, { ...facts, ...cluster({ declared }) }), ['apply west of class spire']);
  });

  it('changes its object when URL or profile differ, under the name that it has', () => {
    const others: readonly Partial<ClusterFederatedTrustDomain>[] = [
      { bundleEndpointUrl: 'https://elsewhere/' },
      { profile: { type: 'https_web' } },
      { profile: undefined },
    ];
    for (const change of others) {
      const declared = [federatedTrustDomainOf(peer, { ...change, name: 'old-name' })];
      assert.deepEqual(lines(situation, cluster({ declared })), ['apply old-name of class spire']);
    }
  });

  it('does nothing while settings or objects cannot be read', () => {
    assert.deepEqual(lines(situation, { ...cluster(), controllerManager: NO_ANSWER }), []);
    assert.deepEqual(lines(situation, { ...cluster(), federatedTrustDomains: NO_ANSWER }), []);
  });

  it('leaves an object of somebody else alone, by its trust domain or by its name, and says so', () => {
    const sameDomain = federatedTrustDomainOf(peer, { name: 'theirs', ours: false });
    const sameName = federatedTrustDomainOf(peerOf(NORTH), { name: 'west', ours: false });
    for (const object of [sameDomain, sameName]) {
      const facts = cluster({ declared: [object] });
      assert.deepEqual(lines(situation, facts), []);
      assert.equal(plan(situation, facts).peers[0]?.otherWriter?.reason, 'ClusterFederatedTrustDomain');
    }
    const own = plan(held, cluster({ declared: [sameDomain] }));
    assert.equal(own.peers[0]?.otherWriter?.reason, 'ClusterFederatedTrustDomain');
    assert.equal(plan(held, cluster({ declared: [sameName] })).peers[0]?.otherWriter, undefined);
  });

  it('is left and removed by deleting our object and the relationship made of it', () => {
    const relationships = [relationshipOf(peer)];
    const declared = [federatedTrustDomainOf(peer)];
    const removed = { managed: DELEGATE, relationships, stored: [bundleOf(WEST)] };
    const expected = ['delete west', 'DeleteRelationship west.example'];
    assert.deepEqual(lines(removed, cluster({ declared })), [...expected, 'DeleteBundle west.example']);
    const own = { ...removed, peers: [peerOf(WEST)], fetched: [bundleOf(WEST, [0, 1])] };
    assert.deepEqual(lines(own, cluster({ declared })), expected);
    assert.deepEqual(lines(own, { ...cluster({ declared }), federatedTrustDomains: NO_ANSWER }), []);
    assert.deepEqual(lines(own, { ...cluster({ declared }), controllerManager: NO_ANSWER }), []);
  });
});

describe('while the API server is out of reach for long', () => {
  it('newer bundles are stored for peers that SPIRE holds one of, and nothing else is done', () => {
    const situation: Situation = {
      peers: [peerOf(WEST, { entrySelectors: selecting('/**') }), peerOf(NORTH)],
      managed: new Map([...OWN, ['gone.example' as TrustDomain, 'Own' as const]]),
      stored: [bundleOf(WEST)],
      fetched: [bundleOf(WEST, [0, 1]), bundleOf(NORTH)],
      entries: [entryOf('/api')],
    };
    assert.deepEqual(plan(situation, {}, true).steps.map(line), ['StoreBundle west.example']);
    assert.equal(plan(situation, {}).steps.length, 4);
    const suspended = { ...situation, peers: [peerOf(WEST, { suspend: 'Revoke' })] };
    assert.deepEqual(plan(suspended, {}, true).steps, []);
  });
});
