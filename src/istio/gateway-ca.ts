// Which CA object has each gateway at the edge, and which may go? Never empty, never deleted while it is named.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import {
  meshObjectKey,
  type MeshObject,
  type MeshObjectContent,
  type MeshObjectRef,
} from '../federation/mesh-objects.ts';
import {
  certificatesOf,
  gatewayCaContent,
  isGatewayCaAsRecorded,
  ownerOf,
  refOf,
  sameGatewayCa,
} from './gateway-ca-content.ts';
import type { MeshFacts, MeshLimits } from './mesh-facts.ts';
import { memoryOf } from './mesh-memory.ts';
import type { MeshStep } from './mesh-steps.ts';
import type { MeshVerdict } from './mesh-verdict.ts';
import { guardObject, isUnclaimed } from './object-guard.ts';
import { peerAnchors } from './peer-anchors.ts';
import { isFulfilled } from './mesh-verdict.ts';
import type { WantedPeer } from './wanted-trust.ts';
import { withdrawnAnchor } from './withdrawn-anchor.ts';

/** What was decided about one object. */
export interface GatewayCaPlan {
  readonly ref: MeshObjectRef;
  readonly trustDomain: TrustDomain;
  readonly step: MeshStep | undefined;
  /** Undefined: it is as the peer wants it. */
  readonly verdict: MeshVerdict | undefined;
  readonly lookAgainAt: Date | undefined;
  /** For the memory: found as it should be. */
  readonly undisturbed: MeshObjectContent | undefined;
}

/** What certificates the object shall have; `Keep`: those it has. */
type WantedCertificates = readonly Uint8Array[] | 'Keep' | 'Withdraw';

/** Of the objects that are declared, in the order of the peers'. */
export function planGatewayCas(
  peers: readonly WantedPeer[],
  facts: MeshFacts,
  limits: MeshLimits,
): readonly GatewayCaPlan[] {
  const claims = new Map<string, WantedPeer>();
  return peers.flatMap((wanted) =>
    wanted.mesh.gatewayCas.map((gatewayCa) => {
      const ref = refOf(gatewayCa, limits.namespace);
      const key = meshObjectKey(ref);
      const claimant = claims.get(key);
      if (claimant !== undefined && claimant.trustDomain !== wanted.trustDomain) return claimed(ref, wanted, claimant);
      claims.set(key, wanted);
      return planOne(ref, wanted, facts, limits);
    }),
  );
}

function planOne(ref: MeshObjectRef, wanted: WantedPeer, facts: MeshFacts, limits: MeshLimits): GatewayCaPlan {
  const { trustDomain } = wanted;
  const { ders, refusal } = wantedCertificates(wanted);
  const planned = planCertificates({ ref, trustDomain, ders, facts, limits });
  return { ...planned, verdict: planned.verdict ?? refusal };
}

function wantedCertificates({ isCut, roots, trustDomain, mesh, verdict }: WantedPeer): {
  readonly ders: WantedCertificates;
  readonly refusal: MeshVerdict | undefined;
} {
  if (isCut) return { ders: 'Withdraw', refusal: undefined };
  if (roots === undefined) return { ders: 'Keep', refusal: isFulfilled(verdict) ? undefined : verdict };
  const made = peerAnchors(roots.x509Authorities, trustDomain, mesh.anchors === 'Flat' ? 'Flat' : 'Constrained');
  return made.kind === 'None' ? { ders: 'Keep', refusal: made.because } : { ders: made.ders, refusal: undefined };
}

export interface CertificatesInput {
  readonly ref: MeshObjectRef;
  readonly trustDomain: TrustDomain;
  readonly ders: WantedCertificates;
  readonly facts: MeshFacts;
  readonly limits: MeshLimits;
}

/** Writes at once: a change reaches the gateways' secrets alone, and costs nobody a connection or a certificate. */
export function planCertificates({ ref, trustDomain, ders, facts, limits }: CertificatesInput): GatewayCaPlan {
  const nothing = {
    ref,
    trustDomain,
    step: undefined,
    verdict: undefined,
    lookAgainAt: undefined,
    undisturbed: undefined,
  };
  const object = facts.gatewayCas.get(meshObjectKey(ref));
  if (object === undefined) return { ...nothing, verdict: notLookedAt(ref) };
  const memory = memoryOf(facts.memory, ref);
  const { ownTrustDomain, now } = facts;
  const guarded = guardObject({ object, memory, ownTrustDomain, limits, now, isIntact: isGatewayCaAsRecorded });
  if (guarded.kind === 'Stopped') return { ...nothing, verdict: guarded.because, lookAgainAt: guarded.lookAgainAt };

  const found = object.state === 'Known' ? object.value : undefined;
  const has = guarded.content === undefined ? [] : certificatesOf(guarded.content);
  const wanted = ders === 'Keep' ? has : ders === 'Withdraw' ? has.map(withdrawnAnchor) : ders;
  const isRight = guarded.kind === 'Undisturbed';
  const undisturbed = isRight && found !== undefined && guarded.content === found ? contentOfObject(found) : undefined;
  // Nothing empty is ever written.
  if (wanted.length === 0) return { ...nothing, undisturbed };
  const content = gatewayCaContent(trustDomain, wanted);
  const isSame = isRight && guarded.content !== undefined && sameGatewayCa(guarded.content, content);
  const mustClaim = isUnclaimed(found, guarded, memory);
  if (isSame && !mustClaim) return { ...nothing, undisturbed };
  const step: MeshStep = {
    kind: 'ApplyMeshObject',
    ref,
    trustDomains: [trustDomain],
    changesList: false,
    changesRoots: !isSame,
    content,
    isFlip: !isRight,
    takeBack: (found?.otherManagers.length ?? 0) > 0,
    replaces: { resourceVersion: found?.resourceVersion, at: object.at },
  };
  return { ...nothing, step, undisturbed: mustClaim ? undefined : undisturbed };
}

function contentOfObject({ data, annotations }: MeshObject): MeshObjectContent {
  return { data, annotations };
}

function claimed(ref: MeshObjectRef, { trustDomain }: WantedPeer, claimant: WantedPeer): GatewayCaPlan {
  const message = `${meshObjectKey(ref)} is declared for ${claimant.trustDomain} too; with two peers in one object their names cannot be told apart. Choose another name for one of them`;
  const verdict: MeshVerdict = { code: 'OwnershipConflict', message };
  return { ref, trustDomain, step: undefined, verdict, lookAgainAt: undefined, undisturbed: undefined };
}

function notLookedAt(ref: MeshObjectRef): MeshVerdict {
  return { code: 'MeshUnreadable', message: `${meshObjectKey(ref)} was not looked at yet` };
}

/** Whose object this is, as far as its record says. */
export function ownedBy(object: MeshObject): TrustDomain | undefined {
  return object.ours ? ownerOf(object) : undefined;
}
