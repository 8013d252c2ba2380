// May this object go yet, and may it have an effect yet? The finalizer says so. (Kubernetes: Finalizers)
import { parseTrustDomain, type TrustDomain } from '../bundle/trust-domain.ts';
import { declaredPeer } from '../federation/declared-peer.ts';
import type { Facts } from '../federation/facts.ts';
import { PEER_API } from '../federation/peer-api.ts';
import type { FederationPlan } from '../federation/plan.ts';
import type { JsonPatchOperation } from './api-server.ts';
import { peerInForce, type DeclaredObject } from './declared-object.ts';
import type { KubeObject } from './kube-object.ts';
import { BROKER_OF, brokerOf } from './managed-by.ts';

/** While it is on an object, its peer's trust may be in SPIRE, and deletion waits until that is gone. */
export const UNFEDERATE = `${PEER_API.group}/unfederate`;

/** What the newest pass was made from and decided. */
export type Pass = Readonly<{ facts: Facts; plan: FederationPlan }>;

/** `Add`: the finalizer, and whose broker it is for; in one patch, so that of two brokers one has the object. */
export type FinalizerChange = 'Add' | 'Remove';

export interface FinalizerInput {
  readonly declared: DeclaredObject;
  /** The trust domains that other objects have in force. */
  readonly inForceElsewhere: (trustDomain: TrustDomain) => boolean;
  /** The newest pass that began after the deletion was seen; undefined: there is none yet. */
  readonly pass: Pass | undefined;
}

/**
 * Undefined: it is right as it is. It goes on before the first effect, and off when the removal is verified.
 */
export function finalizerChange({ declared, inForceElsewhere, pass }: FinalizerInput): FinalizerChange | undefined {
  const { object, state, deleting } = declared;
  // To an object that is being deleted the API server lets no finalizer be added.
  if (!deleting) return peerInForce(declared) !== undefined && !isSecured(object) ? 'Add' : undefined;
  if (!hasFinalizer(object)) return undefined;
  const trustDomain = declaredTrustDomain(object);
  if (trustDomain === undefined || (state.kind === 'Refused' && state.reason === 'OwnTrustDomain')) return 'Remove';
  return inForceElsewhere(trustDomain) || isRemoved(trustDomain, pass) ? 'Remove' : undefined;
}

export function hasFinalizer({ metadata }: KubeObject): boolean {
  return metadata.finalizers?.includes(UNFEDERATE) ?? false;
}

function isSecured(object: KubeObject): boolean {
  return hasFinalizer(object) && brokerOf(object.metadata) !== undefined;
}

/** Others' finalizers stay as they are; the caller gives the object's resourceVersion, as positions may have changed. */
export function finalizerPatch(
  object: KubeObject,
  change: FinalizerChange,
  own: TrustDomain,
): readonly JsonPatchOperation[] {
  const { finalizers = [], annotations } = object.metadata;
  if (change === 'Remove') return [{ op: 'remove', path: `/metadata/finalizers/${finalizers.indexOf(UNFEDERATE)}` }];
  const secured = [...finalizers, UNFEDERATE];
  return [
    ...(hasFinalizer(object) ? [] : [{ op: 'add', path: '/metadata/finalizers', value: secured } as const]),
    { op: 'add', path: '/metadata/annotations', value: { ...annotations, [BROKER_OF]: own } },
  ];
}

/** Of the object as it stands, also when it is faulty: the field cannot be changed. Undefined: it never counted. */
function declaredTrustDomain({ spec }: KubeObject): TrustDomain | undefined {
  const { trustDomain } = (spec ?? {}) as { readonly trustDomain?: unknown };
  try {
    return typeof trustDomain === 'string' ? parseTrustDomain(trustDomain) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * SPIRE's record is what decides: a trust domain is recorded before anything is done for it, and forgotten only after
 * SPIRE was read without its bundle and relationship. A bundle of a trust domain that is not recorded is somebody
 * else's, and not ours to wait for.
 */
function isRemoved(trustDomain: TrustDomain, pass: Pass | undefined): boolean {
  if (pass === undefined) return false;
  const { facts, plan } = pass;
  const isDeclared = facts.declared.state === 'Unreadable' || declaredPeer(facts.declared, trustDomain) !== undefined;
  const isRecorded = facts.managed.state === 'Unreadable' || facts.managed.value.has(trustDomain);
  const isPending = plan.removed.includes(trustDomain) || plan.heldRemovals.includes(trustDomain);
  return !isDeclared && !isRecorded && !isPending;
}
