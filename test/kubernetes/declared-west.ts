// What do these tests declare and report? A peer that works, and its variations.
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import type { Condition } from '../../src/federation/conditions.ts';
import { peerInForce, type DeclaredObject } from '../../src/kubernetes/declared-object.ts';
import type { KubeObject, ObjectMeta } from '../../src/kubernetes/kube-object.ts';
import type { ReportedPeer } from '../../src/kubernetes/peer-status.ts';
import { peerOf } from '../federation/samples.ts';

const STEPS = [
  ['Accepted', 'Declared'],
  ['SingleWriter', 'NoOtherWriter'],
  ['EndpointTrusted', 'Verified'],
  ['BundleFetched', 'Fetched'],
  ['BundleVerified', 'Accepted'],
  ['BundleStored', 'Stored'],
  ['EntriesFederated', 'Federated'],
  ['Ready', 'Ready'],
] as const;

export const STEP_TYPES = STEPS.map(([type]) => type);

/** An object in force, as the API server would give it. */
export function declared(metadata: Partial<ObjectMeta> = {}, status?: unknown): DeclaredObject {
  const object = objectOf(metadata, status);
  return { object, state: { kind: 'InForce', peer: peerNamed(object.metadata.name) }, deleting: false };
}

export function refused(
  reason: 'Invalid' | 'Conflict' | 'OwnTrustDomain',
  message: string,
  inForce: 'Earlier' | 'Nothing',
): DeclaredObject {
  const object = objectOf();
  const earlier = inForce === 'Earlier' ? { inForce: peerNamed('west') } : {};
  return { object, state: { kind: 'Refused', reason, message, ...earlier }, deleting: false };
}

function peerNamed(name: string) {
  return { ...peerOf(parseTrustDomain(`${name}.example`)), name };
}

function objectOf(metadata: Partial<ObjectMeta> = {}, status?: unknown): KubeObject {
  return {
    apiVersion: 'fedbroker.dev/v1alpha1',
    kind: 'PeerTrustDomain',
    metadata: { name: 'west', uid: 'uid-1', generation: 2, resourceVersion: '7', ...metadata },
    ...(status !== undefined && { status }),
  };
}

/** As after a pass that judged what these objects declare now. */
export function reportOn(objects: readonly DeclaredObject[], peers: readonly ReportedPeer[]) {
  const inForce = objects.flatMap((each) => peerInForce(each) ?? []);
  return { peers, judged: new Map(inForce.map((peer) => [peer.trustDomain, peer])), heldRemovals: [] };
}

/** Every step is done. */
export function reported(changes: Partial<ReportedPeer> = {}, name = 'west'): ReportedPeer {
  return {
    name,
    trustDomain: `${name}.example`,
    conditions: conditions(),
    verdict: { verdict: 'unchanged' },
    bundle: { digest: 'd1', sequence: '7', refreshHintSeconds: 300, roots: [root(1)], jwtKeyIds: ['k1'] },
    lastFetch: { at: '2030-01-01T00:00:00.250Z', result: 'Fetched' },
    lastSuccess: '2030-01-01T00:00:00.250Z',
    nextFetch: '2030-01-01T00:05:00.250Z',
    entriesFederated: 3,
    ...changes,
  };
}

/** All done but one, which keeps the peer from being ready. */
export function conditions(other?: Pick<Condition, 'type' | 'status' | 'reason' | 'message'>): readonly Condition[] {
  return STEPS.map(([type, reason]) => {
    if (other?.type === type) return other;
    if (other === undefined || type !== 'Ready') return { type, status: 'True', reason, message: `${type} is done` };
    return { type, status: other.status, reason: other.reason, message: `${other.type}: ${other.message}` };
  });
}

export function root(index: number) {
  const fingerprint = index.toString(16).padStart(64, '0');
  return { fingerprint, subject: `CN=root ${index}`, notAfter: '2031-01-01T00:00:00.000Z' };
}
