// Does each gauge of a peer say what is true of it, and is it absent where nothing is known?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { peerStandings } from '../../src/broker/peer-standing.ts';
import type { Series } from '../../src/admin/series.ts';
import { measurePeers } from '../../src/cli/measure-peers.ts';
import { known, type Facts } from '../../src/federation/facts.ts';
import { planFederation } from '../../src/federation/plan.ts';
import type { MeshAcceptance } from '../../src/federation/relationship.ts';
import { makeRoot } from '../fakes/fake-ca.ts';
import { bundleOf, EAST, entryOf, factsOf, NORTH, NOW, peerOf, WEST } from '../federation/samples.ts';

const CONSTRAINED: MeshAcceptance = { anchors: 'Constrained', urgent: false, gatewayCas: [] };

/** The values by gauge, those of each peer by its trust domain. */
function measured(facts: Facts): Readonly<Record<string, Readonly<Record<string, unknown>>>> {
  const lastPass = { plan: planFederation(facts, { maxRoots: 100 }), outcomes: [] };
  const peers = [...peerStandings({ facts, lastPass, rotation: undefined })].map((standing) => ({ standing }));
  return Object.fromEntries(
    Object.entries<Series>(measurePeers(peers)).map(([name, series]) => [
      name,
      Object.fromEntries([...series].map(({ labels, value }) => [labels['trust_domain'], value])),
    ]),
  );
}

describe('the gauges of a peer', () => {
  it('say what SPIRE holds of it, when its first root ends, and that all is well', async () => {
    const [sooner, later] = [new Date('2041-01-01'), new Date('2042-01-01')];
    const roots = await Promise.all([later, sooner, later].map((notAfter) => makeRoot(WEST, { notAfter })));
    const bundle = bundleOf(WEST, [], { x509Authorities: roots.map(({ der }) => der), sequenceNumber: 2n ** 63n });
    const entries = [entryOf('/one', [WEST]), entryOf('/two', [WEST]), entryOf('/three')];
    assert.deepEqual(measured(factsOf({ peers: [peerOf(WEST)], stored: [bundle], fetched: [bundle], entries })), {
      last_success_timestamp_seconds: { [WEST]: NOW.getTime() / 1000 },
      bundle_sequence: { [WEST]: 2 ** 63 },
      bundle_roots: { [WEST]: 3 },
      root_expiry_timestamp_seconds: { [WEST]: sooner.getTime() / 1000 },
      conflict: { [WEST]: 0 },
      peer_ready: { [WEST]: 1 },
      peer_in_mesh: {},
      entries_federated: { [WEST]: 2 },
    });
  });

  it('are absent where nothing is held or was fetched, and none is there before the first pass', () => {
    const { peer_ready: ready, entries_federated: entries, ...others } = measured(factsOf({ peers: [peerOf(WEST)] }));
    assert.deepEqual([ready, entries, others['conflict']], [{ [WEST]: 0 }, { [WEST]: 0 }, { [WEST]: 0 }]);
    for (const name of ['last_success_timestamp_seconds', 'bundle_sequence', 'bundle_roots']) {
      assert.deepEqual(others[name], {}, name);
    }
    assert.deepEqual(others['root_expiry_timestamp_seconds'], {});
    assert.deepEqual([...peerStandings({ facts: factsOf({}), lastPass: undefined, rotation: undefined })], []);
  });

  it('tell a peer somebody else writes from one that is ours alone', () => {
    const stored = [bundleOf(WEST), bundleOf(NORTH)];
    const facts = factsOf(
      { peers: [peerOf(WEST), peerOf(NORTH)], stored, fetched: stored },
      { overwritten: new Set([WEST]) },
    );
    const { conflict, peer_ready: ready } = measured(facts);
    assert.deepEqual(conflict, { [WEST]: 1, [NORTH]: 0 });
    assert.deepEqual(ready, { [WEST]: 0, [NORTH]: 1 });
  });

  it('say of the mesh 1 or 0 where it is known, and nothing of a peer that asks for nothing there', () => {
    const mesh = known(
      [
        { trustDomain: WEST, status: 'True', reason: 'InForce', message: '' } as const,
        { trustDomain: NORTH, status: 'False', reason: 'OwnershipConflict', message: '' } as const,
      ],
      NOW,
    );
    const peers = [peerOf(WEST, { mesh: CONSTRAINED }), peerOf(NORTH, { mesh: CONSTRAINED }), peerOf(EAST)];
    assert.deepEqual(measured(factsOf({ peers }, { mesh }))['peer_in_mesh'], { [WEST]: 1, [NORTH]: 0 });
    assert.deepEqual(measured(factsOf({ peers }))['peer_in_mesh'], {});
  });
});
