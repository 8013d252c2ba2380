// Who holds this Lease, and what is written to take, keep or give it? Values only. (coordination.k8s.io/v1)
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { KubeObject, ObjectBody, Resource } from './kube-object.ts';
import { BROKER_OF } from './managed-by.ts';
import { microTime } from './micro-time.ts';
import { fieldsOf, textOf } from './object-fields.ts';

export const LEASES: Resource = {
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  kind: 'Lease',
  namespaced: true,
};

/** `spec` of a Lease, as far as elections use it. Times are MicroTime text and are never compared with our clock. */
export interface LeaseRecord {
  /** Undefined: nobody. */
  readonly holder: string | undefined;
  /** How long its holder may be trusted to act after each renewal. */
  readonly durationMs: number | undefined;
  readonly acquireTime: string | undefined;
  readonly renewTime: string | undefined;
  readonly transitions: number;
}

export function leaseRecordOf(lease: KubeObject): LeaseRecord {
  const { holderIdentity, leaseDurationSeconds, acquireTime, renewTime, leaseTransitions } = fieldsOf(lease['spec']);
  return {
    holder: textOf(holderIdentity),
    durationMs: typeof leaseDurationSeconds === 'number' ? leaseDurationSeconds * 1000 : undefined,
    acquireTime: textOf(acquireTime),
    renewTime: textOf(renewTime),
    transitions: typeof leaseTransitions === 'number' ? leaseTransitions : 0,
  };
}

/** As long as this stays the same, the holder has shown no sign of life. */
export function signOfLife({ holder, acquireTime, renewTime, transitions }: LeaseRecord): string {
  return JSON.stringify([holder, acquireTime, renewTime, transitions]);
}

export interface Candidate {
  readonly name: string;
  readonly namespace: string;
  readonly identity: string;
  /** Written on the Lease: replicas of the broker of another one must not wait for us, nor we for them. */
  readonly ownTrustDomain: TrustDomain;
  readonly leaseDurationMs: number;
}

/** Nobody has created it yet. */
export function newLease(candidate: Candidate, now: Date): ObjectBody {
  const { name, namespace, ownTrustDomain } = candidate;
  return {
    metadata: { name, namespace, annotations: { [BROKER_OF]: ownTrustDomain } },
    spec: heldSpec(candidate, now, undefined),
  };
}

/** Taken from another holder, or renewed. */
export function heldLease(lease: KubeObject, candidate: Candidate, now: Date): ObjectBody {
  const annotations = { ...lease.metadata.annotations, [BROKER_OF]: candidate.ownTrustDomain };
  const held = withSpec(lease, heldSpec(candidate, now, leaseRecordOf(lease)));
  return { ...held, metadata: { ...held.metadata, annotations } };
}

/** Held by nobody, so that the next candidate need not wait. */
export function releasedLease(lease: KubeObject, now: Date): ObjectBody {
  return withSpec(lease, {
    holderIdentity: undefined,
    // The least that the API accepts.
    leaseDurationSeconds: 1,
    renewTime: microTime(now),
    acquireTime: microTime(now),
    leaseTransitions: leaseRecordOf(lease).transitions,
  });
}

function heldSpec({ identity, leaseDurationMs }: Candidate, now: Date, before: LeaseRecord | undefined) {
  const renews = before?.holder === identity;
  return {
    holderIdentity: identity,
    leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000),
    acquireTime: (renews ? before.acquireTime : undefined) ?? microTime(now),
    renewTime: microTime(now),
    leaseTransitions: before === undefined ? 0 : before.transitions + (renews ? 0 : 1),
  };
}

/** What others keep in the Lease (labels, owners, newer fields of its spec) stays. */
function withSpec(lease: KubeObject, spec: Readonly<Record<string, unknown>>): ObjectBody {
  return { ...lease, spec: { ...fieldsOf(lease['spec']), ...spec } };
}
