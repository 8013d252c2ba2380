// What is there to see of the demo at one instant? Plain values, for a view to draw.
import { fingerprint, type X509Authority } from '../../bundle/bundle.ts';
import { readExtensions } from '../../bundle/certificate.ts';
import type { TrustDomain } from '../../bundle/trust-domain.ts';
import type { AuthorityState } from '../../spire/local-authority.ts';
import type { CallTally } from './call-tally.ts';
import { conditionOf } from './hostile-documents.ts';
import type { Rotation } from './rotation.ts';
import { nameOf, type Side } from './side.ts';

export interface Scene {
  /** `embedded`, or SPIRE's version. */
  readonly spire: string;
  readonly elapsedMs: number;
  readonly rotationsWanted: number;
  readonly sides: readonly SideScene[];
  readonly calls: readonly CallsScene[];
  /** Oldest first. */
  readonly rotations: readonly RotationScene[];
  /** Oldest first. */
  readonly notes: readonly Note[];
}

/** Something that happened. */
export interface Note {
  readonly atMs: number;
  readonly tone: 'Plain' | 'Good' | 'Bad';
  readonly text: string;
}

export interface SideScene {
  readonly trustDomain: TrustDomain;
  readonly peerName: string;
  /** Of the SVID that the workload presents. */
  readonly svidSignedBy: string | undefined;
  /** Newest first. */
  readonly ownRoots: readonly RootScene[];
  /** What its workload trusts for the peer, newest first. */
  readonly peerRoots: readonly RootScene[];
  /** What the broker says of the peer, for example `Ready`. */
  readonly condition: { readonly reason: string; readonly ok: boolean };
}

export interface RootScene {
  readonly fingerprint: string;
  readonly stage: 'Next' | 'Active' | 'Before';
}

export interface CallsScene extends Pick<CallTally, 'ok' | 'failures' | 'lastMs' | 'recent'> {
  readonly from: string;
  readonly to: string;
}

export interface RotationScene extends Pick<Rotation, 'number' | 'root' | 'toPeerMs' | 'activatedAfterMs'> {
  readonly name: string;
  readonly publishedAtMs: number;
}

/** Roots by fingerprint, with the number in which they were first seen. */
export type RootOrder = Map<string, number>;

export function sideScene(side: Side, peer: Side, order: RootOrder): SideScene {
  const context = side.workload.context;
  const federated = context?.federated.get(peer.trustDomain) ?? [];
  const ready = conditionOf(side, peer, 'Ready');
  const ownRoots = rootScenes(context?.ownRoots ?? [], context?.authorities, order);
  const signer = context?.ownRoots.find((der) => subjectKeyId(der) === context.svid.signedBy);
  return {
    trustDomain: side.trustDomain,
    peerName: nameOf(peer.trustDomain),
    svidSignedBy: signer === undefined ? undefined : fingerprint(signer),
    ownRoots,
    peerRoots: rootScenes(federated, peer.workload.context?.authorities, order),
    condition: { reason: ready?.reason ?? 'not declared yet', ok: ready?.status === 'True' },
  };
}

function rootScenes(
  roots: readonly X509Authority[],
  authorities: AuthorityState | undefined,
  order: RootOrder,
): RootScene[] {
  const found = roots.map((der) => {
    const name = fingerprint(der);
    if (!order.has(name)) order.set(name, order.size);
    const id = subjectKeyId(der);
    const stage: RootScene['stage'] =
      id === authorities?.active.id ? 'Active' : id === authorities?.prepared?.id ? 'Next' : 'Before';
    return { fingerprint: name, stage };
  });
  const rank = ({ fingerprint: name }: RootScene) => order.get(name) ?? 0;
  return found.sort((a, b) => rank(b) - rank(a));
}

function subjectKeyId(der: X509Authority): string | undefined {
  return readExtensions(der).subjectKeyId;
}
