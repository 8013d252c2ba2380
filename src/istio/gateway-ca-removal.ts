// Which CA objects of ours does no peer ask for any more, and what must happen before they may go?
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { declaredPeer } from '../federation/declared-peer.ts';
import { meshObjectKey, type MeshObject } from '../federation/mesh-objects.ts';
import { ownedBy, planCertificates, type GatewayCaPlan } from './gateway-ca.ts';
import type { MeshFacts, MeshLimits } from './mesh-facts.ts';
import type { MeshVerdict } from './mesh-verdict.ts';
import { isCutOff } from './wanted-trust.ts';

/**
 * A gateway that finds no CA never gets ready, so an object that is named stays. Where the trust itself is over, and not
 * only the wish for this object, its CAs are withdrawn meanwhile.
 */
export function planGatewayCaRemovals(
  asked: ReadonlySet<string>,
  facts: MeshFacts,
  limits: MeshLimits,
): readonly GatewayCaPlan[] {
  const { declared } = facts;
  if (declared.state === 'Unreadable' || declared.value.incompleteBecause !== undefined) return [];
  return [...facts.gatewayCas].flatMap(([key, fact]) => {
    const object = fact.state === 'Known' ? fact.value : undefined;
    if (object === undefined || asked.has(key)) return [];
    const owner = ownedBy(object);
    return owner === undefined ? [] : [planRemoval(object, owner, facts, limits)].flatMap((plan) => plan ?? []);
  });
}

function planRemoval(
  object: MeshObject,
  trustDomain: TrustDomain,
  facts: MeshFacts,
  limits: MeshLimits,
): GatewayCaPlan | undefined {
  const peer = declaredPeer(facts.declared, trustDomain);
  if (peer?.suspend === 'Paused') return undefined;
  const { kind, namespace, name, uid } = object;
  const ref = { kind, namespace, name };
  if (object.brokerOf === undefined) return ofUnknownBroker(object, trustDomain);
  const waiting = whyWait(object, facts);
  if (waiting === undefined) {
    const head = { ref, trustDomains: [trustDomain], changesList: false, changesRoots: true };
    const verdict: MeshVerdict = { code: 'Leaving', message: `${meshObjectKey(ref)} is deleted: nobody asks for it` };
    return {
      ref,
      trustDomain,
      step: { kind: 'DeleteMeshObject', ...head, uid, why: 'no declared gateway names this CA object any more' },
      verdict,
      lookAgainAt: undefined,
      undisturbed: undefined,
    };
  }
  const isOver = peer === undefined || isCutOff(peer, facts);
  const planned = planCertificates({ ref, trustDomain, ders: isOver ? 'Withdraw' : 'Keep', facts, limits });
  return { ...planned, verdict: planned.verdict ?? waiting };
}

/** It may be that of another broker, of a version that did not say so. */
function ofUnknownBroker({ kind, namespace, name }: MeshObject, trustDomain: TrustDomain): GatewayCaPlan {
  const ref = { kind, namespace, name };
  const key = meshObjectKey(ref);
  const message = `${key} stays, since an earlier version made it, which did not say for which broker; delete it yourself, unless the broker of another trust domain uses it`;
  const verdict: MeshVerdict = { code: 'Leaving', message };
  return { ref, trustDomain, step: undefined, verdict, lookAgainAt: undefined, undisturbed: undefined };
}

function whyWait(object: MeshObject, { referencedCas, memory }: MeshFacts): MeshVerdict | undefined {
  const key = meshObjectKey(object);
  if (referencedCas.state === 'Unreadable') {
    const message = `${key} stays, since it cannot be seen whether a Gateway, ListenerSet, DestinationRule or BackendTLSPolicy names it: ${referencedCas.message}`;
    return { code: 'Leaving', message };
  }
  if (referencedCas.value.has(key)) {
    const message = `${key} stays, since a Gateway, ListenerSet, DestinationRule or BackendTLSPolicy names it; take the name out there, then it is deleted`;
    return { code: 'Leaving', message };
  }
  // What was read earlier does not know the Gateways that have come since.
  const since = memory.unaskedSince.get(key);
  if (since !== undefined && referencedCas.at > since) return undefined;
  const message = `${key} stays until the Gateways, ListenerSets, DestinationRules and BackendTLSPolicies have been read again; when none of them names it, it is deleted`;
  return { code: 'Leaving', message };
}
