// Does an operator see whether the mesh accepts a peer, and why not?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { conditionsOf, type Condition } from '../../src/federation/conditions.ts';
import { known, unreadable, type Facts } from '../../src/federation/facts.ts';
import { planFederation } from '../../src/federation/plan.ts';
import type { MeshAcceptance } from '../../src/federation/relationship.ts';
import { bundleOf, factsOf, NOW, NORTH, peerOf, WEST } from './samples.ts';

const CONSTRAINED: MeshAcceptance = { anchors: 'Constrained', urgent: false, gatewayCas: [] };

function meshInjected(mesh: MeshAcceptance | undefined, found: Facts['mesh']): Omit<Condition, 'type'> {
  const facts = factsOf({ peers: [peerOf(WEST, { mesh })], stored: [bundleOf(WEST)] }, { mesh: found });
  const [plan] = planFederation(facts, { maxRoots: 100 }).peers;
  const conditions = conditionsOf({ plan: plan!, facts, outcomes: [], entriesFederated: 0 });
  const { type, ...judgement } = conditions.find((condition) => condition.type === 'MeshInjected')!;
  assert.equal(type, 'MeshInjected');
  return judgement;
}

describe('the condition MeshInjected', () => {
  it('is met by a peer that asks for nothing', () => {
    for (const mesh of [undefined, { ...CONSTRAINED, anchors: 'None' } as const]) {
      assert.equal(meshInjected(mesh, undefined).reason, 'NotAsked');
      assert.equal(meshInjected(mesh, undefined).status, 'True');
    }
  });

  it('names the setting when a peer asks for something and this broker writes for no mesh', () => {
    const { status, reason, message } = meshInjected(CONSTRAINED, undefined);
    assert.equal(`${status} ${reason}`, 'Unknown IstioOff');
    assert.match(message, /set istio, or write what "fedbroker render" prints/);
  });

  it('counts a CA object for a gateway as something that is asked for', () => {
    const edge: MeshAcceptance = {
      ...CONSTRAINED,
      anchors: 'None',
      gatewayCas: [{ type: 'ConfigMap', name: 'west-ca' }],
    };
    assert.equal(meshInjected(edge, undefined).reason, 'IstioOff');
  });

  it('says what was found in the mesh, and nothing more', () => {
    const judgement = { status: 'False', reason: 'OwnershipConflict', message: 'helm also writes it' } as const;
    assert.deepEqual(meshInjected(CONSTRAINED, known([{ trustDomain: WEST, ...judgement }], NOW)), judgement);
  });

  it('is unknown while the mesh cannot be read, or was not looked at yet', () => {
    const refused = unreadable({ code: 'KubeForbidden', message: 'may not get configmaps' }, NOW);
    assert.equal(meshInjected(CONSTRAINED, refused).reason, 'KubeForbidden');
    const ofAnother = known([{ trustDomain: NORTH, status: 'True', reason: 'InForce', message: '' } as const], NOW);
    assert.equal(meshInjected(CONSTRAINED, ofAnother).reason, 'NotLookedYet');
  });
});
