// What must change so that the mesh accepts exactly the declared peers? Pure: facts in, plain data out.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { asksForMeshConfig } from '../federation/mesh-condition.ts';
import { meshObjectKey, type MeshObjectContent } from '../federation/mesh-objects.ts';
import { canaryOf, canaryWarnings } from './canary.ts';
import { planGatewayCas, type GatewayCaPlan } from './gateway-ca.ts';
import { planGatewayCaRemovals } from './gateway-ca-removal.ts';
import type { MeshFacts, MeshLimits, SharedMeshConfig } from './mesh-facts.ts';
import type { MeshStep } from './mesh-steps.ts';
import { nextOf } from './mesh-timing.ts';
import { gravest, type MeshVerdict, type MeshWarning } from './mesh-verdict.ts';
import { planMeshConfig, type MeshConfigPlan } from './plan-mesh-config.ts';
import { planVanished } from './vanished-revisions.ts';
import { wantedPeers, type WantedPeer } from './wanted-trust.ts';

/** What was decided about one declared peer, and why. */
export interface MeshPeerPlan {
  readonly peer: WantedPeer['peer'];
  /** The gravest of all places it is published in. The condition's reason and message, before steps have run. */
  readonly verdict: MeshVerdict;
  readonly warnings: readonly MeshWarning[];
  /** What mesh config has of it after this plan; of several revisions, the least. */
  readonly isListed: boolean;
  readonly anchors: number;
}

/** A trust domain that is published without a declaration that wants it. */
export interface MeshRemoval {
  readonly trustDomain: TrustDomain;
  readonly verdict: MeshVerdict;
}

export interface MeshPlan {
  readonly steps: readonly MeshStep[];
  /** In the order of their trust domains; peers whose declarations say nothing of a mesh are left out. */
  readonly peers: readonly MeshPeerPlan[];
  readonly removals: readonly MeshRemoval[];
  /** When time alone will have changed the plan. */
  readonly nextLookAt: Date | undefined;
  /** For the memory: since when a change of the list waits. */
  readonly listChangeSince: Date | undefined;
  /** For the memory: see `MeshMemory.canaryHolds`. */
  readonly canaryHolds: ReadonlyMap<string, Date> | undefined;
  /** For the memory: CA objects that no peer asks for, by `meshObjectKey`. */
  readonly unaskedCas: readonly string[];
  /** For the memory: objects as they were found and are right, by `meshObjectKey`. */
  readonly undisturbed: ReadonlyMap<string, MeshObjectContent>;
}

/**
 * The rules: roots come from what SPIRE stores; what cannot be read removes nothing; roots that come or rotate never
 * touch the list of names; names come after or with their roots, and leave after them.
 */
export function planMesh(facts: MeshFacts, limits: MeshLimits): MeshPlan {
  const peers = wantedPeers(facts);
  const canary = canaryOf(facts, limits);
  const ofAll = canaryWarnings(facts, limits);
  const configs = sharedObjects(facts.shared).map((shared) => {
    const goesFirst = shared.some(({ revision }) => revision === limits.canary?.revision);
    return planMeshConfig({ shared, peers, canary: goesFirst ? undefined : canary, facts, limits });
  });
  const asked = planGatewayCas(peers, facts, limits);
  const unasked = planGatewayCaRemovals(new Set(asked.map(({ ref }) => meshObjectKey(ref))), facts, limits);
  const gateways = [...asked, ...unasked];
  const times = [...configs, ...gateways].flatMap(({ lookAgainAt }) => lookAgainAt ?? []);
  return {
    steps: [
      ...configs.flatMap(({ steps }) => steps),
      ...gateways.flatMap(({ step }) => step ?? []),
      ...planVanished(facts, limits),
    ],
    peers: peers.map((wanted) => peerPlan(wanted, configs, asked, unasked, ofAll)),
    removals: removalsOf(peers, configs, unasked),
    nextLookAt: nextOf(times, facts.now),
    listChangeSince: configs.some(({ isListChanging }) => isListChanging)
      ? (facts.memory.listChangeSince ?? facts.now)
      : undefined,
    canaryHolds: canary?.holds,
    unaskedCas: unasked.map(({ ref }) => meshObjectKey(ref)),
    undisturbed: new Map([...configs, ...gateways].flatMap((plan) => undisturbedIn(plan))),
  };
}

function undisturbedIn({ ref, undisturbed }: MeshConfigPlan | GatewayCaPlan): [string, MeshObjectContent][] {
  return ref === undefined || undisturbed === undefined ? [] : [[meshObjectKey(ref), undisturbed]];
}

/** Revisions that read the same object are one place; each base must leave ours in force. */
function sharedObjects(shared: readonly SharedMeshConfig[]): (readonly SharedMeshConfig[])[] {
  const groups = new Map<string, SharedMeshConfig[]>();
  for (const each of shared) {
    const key = meshObjectKey(each.ref);
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  return [...groups.values()];
}

function peerPlan(
  wanted: WantedPeer,
  configs: readonly MeshConfigPlan[],
  asked: readonly GatewayCaPlan[],
  unasked: readonly GatewayCaPlan[],
  ofAll: readonly MeshWarning[],
): MeshPeerPlan {
  const { peer, trustDomain, mesh } = wanted;
  const isOfPeer = (plan: GatewayCaPlan) => plan.trustDomain === trustDomain;
  const published = configs.map((config) => config.published);
  const counts = published.map(({ anchors }) => anchors.get(trustDomain)?.length ?? 0);
  const verdicts = [
    ...(configs.length === 0 && asksForMeshConfig({ mesh }) ? [NO_MESH_CONFIG] : []),
    ...configs.map(({ verdictOf }) => verdictOf(wanted)),
    ...asked.filter(isOfPeer).flatMap(({ verdict }) => verdict ?? []),
  ];
  return {
    peer,
    verdict: gravest(verdicts) ?? wanted.verdict,
    warnings: [
      ...wanted.warnings,
      ...unasked.filter(isOfPeer).flatMap(gatewayCaWarnings),
      ...configs.flatMap(({ warnings }) => warnings),
      ...ofAll,
    ],
    isListed: published.length > 0 && published.every(({ listed }) => listed.has(trustDomain)),
    anchors: counts.length === 0 ? 0 : Math.min(...counts),
  };
}

function gatewayCaWarnings({ step, verdict }: GatewayCaPlan): MeshWarning[] {
  return verdict === undefined || step?.kind === 'DeleteMeshObject'
    ? []
    : [{ code: 'GatewayCaInUse', message: verdict.message }];
}

const NO_MESH_CONFIG: MeshVerdict = {
  code: 'NoMeshConfig',
  message: 'no revision of istiod was found whose mesh config could be written; see the preflight',
};

/** Of trust domains that are no peer of the mesh any more. */
function removalsOf(
  peers: readonly WantedPeer[],
  configs: readonly MeshConfigPlan[],
  unasked: readonly GatewayCaPlan[],
): readonly MeshRemoval[] {
  const inMesh = new Set(peers.map(({ trustDomain }) => trustDomain));
  const verdicts = new Map<TrustDomain, MeshVerdict[]>();
  for (const { trustDomain, verdict } of [...configs.flatMap(({ removals }) => removals), ...unasked]) {
    if (verdict === undefined || inMesh.has(trustDomain)) continue;
    verdicts.set(trustDomain, [...(verdicts.get(trustDomain) ?? []), verdict]);
  }
  return [...verdicts].flatMap(([trustDomain, each]) => {
    const verdict = gravest(each);
    return verdict === undefined ? [] : [{ trustDomain, verdict }];
  });
}
