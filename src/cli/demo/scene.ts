// What is there to see of the demo at one instant? Plain values, for a view to draw.
import { fingerprint, type X509Authority } from '../../bundle/bundle.ts';
import { readCertificate } from '../../bundle/certificate.ts';
import type { TrustDomain } from '../../bundle/trust-domain.ts';
import type { Condition } from '../../federation/conditions.ts';
import type { AuthorityState } from '../../federation/local-authority.ts';
import type { CallTally } from './call-tally.ts';
import { conditionOf } from './peer-condition.ts';
import type { Rotation } from './rotation.ts';
import { nameOf, type Side } from './side.ts';

export interface Scene {
  /** `embedded`, or SPIRE's version. */
  readonly spire: string;
  /** Its version; undefined where peers are declared in files. */
  readonly kubernetes: string | undefined;
  /** Its version; undefined without a mesh. */
  readonly envoy: string | undefined;
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
  /** `Rotation`: the list of rotations says it too. */
  readonly topic: 'Rotation' | 'Story';
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
  readonly condition: Pick<Condition, 'reason' | 'status'>;
  /** What the API server says of the object that declares the peer; undefined where peers are declared in files. */
  readonly objectCondition: Pick<Condition, 'reason' | 'status'> | undefined;
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

/** What was found out about each root when it was seen first, by fingerprint. */
export type RootMemory = Map<string, { readonly rank: number; readonly subjectKeyId: string | undefined }>;

const NOT_DECLARED = { reason: 'not declared yet', status: 'Unknown' } as const;

export function sideScene(side: Side, peer: Side, memory: RootMemory): SideScene {
  const context = side.workload.context;
  const ownRoots = rootScenes(context?.ownRoots ?? [], context?.authorities, memory);
  const signedBy = context?.svid.signedBy;
  return {
    trustDomain: side.trustDomain,
    peerName: nameOf(peer.trustDomain),
    svidSignedBy: ownRoots.find((root) => memory.get(root.fingerprint)?.subjectKeyId === signedBy)?.fingerprint,
    ownRoots,
    peerRoots: rootScenes(context?.federated.get(peer.trustDomain) ?? [], peer.workload.context?.authorities, memory),
    condition: conditionOf(side, peer, 'Ready') ?? NOT_DECLARED,
    objectCondition: side.place.objects && (side.place.objects.ready(nameOf(peer.trustDomain)) ?? NOT_DECLARED),
  };
}

export function callsScene(from: string, to: string, { ok, failures, lastMs, recent }: CallTally): CallsScene {
  return { from, to, ok, failures, lastMs, recent };
}

function rootScenes(
  roots: readonly X509Authority[],
  authorities: AuthorityState | undefined,
  memory: RootMemory,
): RootScene[] {
  const found = roots.map((der) => {
    const name = fingerprint(der);
    const known = memory.get(name) ?? { rank: memory.size, subjectKeyId: readCertificate(der).subjectKeyId };
    memory.set(name, known);
    return { fingerprint: name, stage: stageOf(known.subjectKeyId, authorities), rank: known.rank };
  });
  return found.sort((a, b) => b.rank - a.rank).map(({ fingerprint: name, stage }) => ({ fingerprint: name, stage }));
}

function stageOf(subjectKeyId: string | undefined, authorities: AuthorityState | undefined): RootScene['stage'] {
  if (subjectKeyId === authorities?.active.id) return 'Active';
  return subjectKeyId === authorities?.prepared?.id ? 'Next' : 'Before';
}
