// Does the mesh accept the peer as its declaration asks? What was found there, as a condition of the peer.
import type { ConditionInput } from './conditions.ts';
import { unknown, yes, type Judgement } from './judgement.ts';
import type { Peer } from './relationship.ts';

/** Whether the declaration asks for anything in a mesh. */
export function asksForMesh(peer: Pick<Peer, 'mesh'>): boolean {
  return asksForMeshConfig(peer) || (peer.mesh?.gatewayCas.length ?? 0) > 0;
}

/** Whether its name, at least, is to be in mesh config. */
export function asksForMeshConfig({ mesh }: Pick<Peer, 'mesh'>): boolean {
  return mesh !== undefined && mesh.anchors !== 'None';
}

export function judgeMesh({ plan: { peer }, facts: { mesh } }: ConditionInput): Judgement {
  if (!asksForMesh(peer)) return yes('NotAsked', 'the declaration asks for nothing in a mesh');
  if (mesh === undefined) {
    const remedy = 'set istio, or write what "fedbroker render" prints to mesh config yourself';
    return unknown('IstioOff', `this broker neither writes nor looks at anything of Istio: ${remedy}`);
  }
  if (mesh.state === 'Unreadable') return unknown(mesh.reason, mesh.message);
  const standing = mesh.value.find(({ trustDomain }) => trustDomain === peer.trustDomain);
  if (standing === undefined) return unknown('NotLookedYet', 'the mesh was not looked at yet');
  const { status, reason, message } = standing;
  return { status, reason, message };
}
