// Has a peer arrived in the mesh? What was decided, done and read back, as one judgement; its words are the condition's.
import { fingerprint } from '../bundle/bundle.ts';
import type { Fact, MeshStanding } from '../federation/facts.ts';
import { meshObjectKey } from '../federation/mesh-objects.ts';
import { no, unknown, yes, type Judgement } from '../federation/judgement.ts';
import { asksForMeshConfig } from '../federation/mesh-condition.ts';
import type { MeshSurvey } from '../federation/mesh-survey.ts';
import type { MergedAnchors, ServedAnchors } from '../federation/mesh-ports.ts';
import { mergedPrints } from './merged-anchors.ts';
import type { MeshFacts } from './mesh-facts.ts';
import { EMPTY_MEMORY, memoryOf, type MeshStepOutcome } from './mesh-memory.ts';
import { judgeChecks, reviewNotices, type MeshReview } from './mesh-review.ts';
import { stateOf, type MeshState, type MeshWarning } from './mesh-verdict.ts';
import type { MeshPeerPlan } from './plan-mesh.ts';
import { readPublished } from './published.ts';

/** What the mesh itself says of its anchors. */
export interface MeshReadBack {
  /** Of istiod; undefined: it is not asked. */
  readonly merged: Fact<MergedAnchors> | undefined;
  /** Of the SPIRE agent; undefined: it is not asked. */
  readonly served: Fact<ServedAnchors> | undefined;
}

export interface StandingInput extends MeshReadBack {
  /** After the steps. */
  readonly facts: Pick<MeshFacts, 'now' | 'shared' | 'stored' | 'memory'>;
  readonly outcomes: readonly MeshStepOutcome[];
  /** Undefined: the mesh was not surveyed yet. So with the next. */
  readonly review: MeshReview | undefined;
  readonly istiods: MeshSurvey['istiods'] | undefined;
}

/** In this order; the first that has something to say says it. */
const JUDGES: readonly ((plan: MeshPeerPlan, input: StandingInput) => Judgement | undefined)[] = [
  judgeWrites,
  judgeRevisions,
  judgeVerdict,
  judgeReview,
  judgeObjects,
  judgeMerged,
  judgeServed,
];

export function standingOf(plan: MeshPeerPlan, input: StandingInput): MeshStanding {
  for (const judge of JUDGES) {
    const judgement = judge(plan, input);
    if (judgement !== undefined) return standing(plan, judgement, input);
  }
  return standing(plan, yes(plan.verdict.code, plan.verdict.message), input);
}

/**
 * Whether nothing of the peer is on its way any more. That its roots were written says nothing as long as something
 * can be asked about them; where no SPIRE agent can be, SPIRE itself has them.
 */
export function hasArrived(plan: MeshPeerPlan, input: StandingInput): boolean {
  const { status, reason } = standingOf(plan, { ...input, facts: { ...input.facts, memory: EMPTY_MEMORY } });
  return status === 'True' || reason === 'NotProbed';
}

function standing(
  { peer, warnings }: MeshPeerPlan,
  { status, reason, message }: Judgement,
  { review, outcomes }: StandingInput,
): MeshStanding {
  const notes = review === undefined ? [] : reviewNotices(peer, review);
  const told = [...warnings, ...leftovers(peer, outcomes), ...notes];
  const notices = [...new Set(told.map((notice) => `${notice.code}: ${notice.message}`))];
  return { trustDomain: peer.trustDomain, status, reason, message: [message, ...notices].join('. ') };
}

/** What nobody reads any more takes nothing from any peer; whoever may give the right to delete it looks at one of them. */
function leftovers(peer: MeshPeerPlan['peer'], outcomes: readonly MeshStepOutcome[]): readonly MeshWarning[] {
  if (!asksForMeshConfig(peer)) return [];
  return outcomes.flatMap(({ step, error }) => {
    if (step.kind !== 'DeleteMeshObject' || step.trustDomains.length > 0 || error === undefined) return [];
    return [{ code: 'LeftoverConfig', message: `${meshObjectKey(step.ref)} stays (${step.why}): ${error.message}` }];
  });
}

function judgeWrites({ peer: { trustDomain } }: MeshPeerPlan, { outcomes }: StandingInput): Judgement | undefined {
  const failed = outcomes.find(({ step, error }) => error !== undefined && step.trustDomains.includes(trustDomain));
  return failed?.error && no(failed.error.code, failed.error.message);
}

/** That no revision was found says nothing when none could be looked for. */
function judgeRevisions(plan: MeshPeerPlan, { facts: { shared }, istiods }: StandingInput): Judgement | undefined {
  if (shared.length > 0 || !asksForMeshConfig(plan.peer) || istiods?.state !== 'Unreadable') return undefined;
  return unknown(
    istiods.reason,
    `the revisions of istiod cannot be found; name them in istioRevisions: ${istiods.message}`,
  );
}

const STATUS: Readonly<Record<MeshState, Judgement['status'] | undefined>> = {
  Accepted: undefined,
  Waiting: 'False',
  Refused: 'False',
  Suspended: 'False',
  Unknown: 'Unknown',
};

function judgeVerdict({ verdict: { code, message } }: MeshPeerPlan): Judgement | undefined {
  const status = STATUS[stateOf(code)];
  return status && { status, reason: code, message };
}

function judgeReview({ peer }: MeshPeerPlan, { review }: StandingInput): Judgement | undefined {
  if (review === undefined) return unknown('NotLookedYet', 'the mesh was not looked at yet');
  return judgeChecks(peer, review);
}

/** What was decided must be what the API server has. */
function judgeObjects(plan: MeshPeerPlan, { facts }: StandingInput): Judgement | undefined {
  const missing = facts.shared.filter(({ object }) => object.state === 'Unreadable' || !holds(plan, object.value));
  const [first] = missing;
  if (first === undefined || !asksForMeshConfig(plan.peer)) return undefined;
  return no('NotWrittenYet', `the ConfigMap ${first.ref.namespace}/${first.ref.name} does not have it yet`);
}

function holds(
  { peer: { trustDomain }, anchors }: MeshPeerPlan,
  object: Parameters<typeof readPublished>[0] | undefined,
) {
  const published = object && readPublished(object);
  return published?.listed.has(trustDomain) === true && (published.anchors.get(trustDomain)?.length ?? 0) >= anchors;
}

function judgeMerged(plan: MeshPeerPlan, { merged, facts }: StandingInput): Judgement | undefined {
  if (merged === undefined || !asksForMeshConfig(plan.peer)) return undefined;
  if (merged.state === 'Unreadable')
    return unknown(merged.reason, `istiod does not tell what it uses: ${merged.message}`);
  const { trustDomain } = plan.peer;
  const inForce = mergedPrints(merged.value);
  const wanted = facts.shared.flatMap(({ object }) => {
    const published = object.state === 'Known' && object.value !== undefined ? readPublished(object.value) : undefined;
    return published?.anchors.get(trustDomain)?.map(fingerprint) ?? [];
  });
  const isListed = merged.value.trustDomains.includes(trustDomain);
  if (isListed && wanted.every((print) => inForce.has(print))) return undefined;
  // A root that is on its way beside those in force takes nothing from the peer.
  if (isListed && isUnderWay(facts)) return undefined;
  return no(
    'NotMergedYet',
    'istiod does not use it yet; when this stays so, look whether its SHARED_MESH_CONFIG names our ConfigMap and whether its own mesh config sets caCertificates',
  );
}

/** Istiod merges within a second, and is asked every two. */
const UNDER_WAY_MS = 5_000;

function isUnderWay(facts: StandingInput['facts']): boolean {
  const until = underWayUntil(facts);
  return until !== undefined && facts.now < until;
}

/** Until then, roots that were written may still be on their way. */
export function underWayUntil({ shared, memory }: Pick<MeshFacts, 'shared' | 'memory'>): Date | undefined {
  const times = shared.flatMap(({ ref }) => memoryOf(memory, ref).rootsWrittenAt?.getTime() ?? []);
  return times.length === 0 ? undefined : new Date(Math.max(...times) + UNDER_WAY_MS);
}

function judgeServed(plan: MeshPeerPlan, { served, facts }: StandingInput): Judgement | undefined {
  const { trustDomain, mesh } = plan.peer;
  if (mesh?.anchors !== 'SpireSds') return undefined;
  if (served === undefined) {
    return unknown(
      'NotProbed',
      'written, but whether SPIRE’s agents serve its roots to Envoy is not known: set spireAgentSocket',
    );
  }
  if (served.state === 'Unreadable') return unknown(served.reason, served.message);
  const { value } = served;
  if (value.validator === 'OneList') {
    return no(
      'RootsNotKeptApart',
      'SPIRE’s agents serve Envoy one flat list, in which every root vouches for every name: unset disable_spiffe_cert_validation',
    );
  }
  const roots = new Set(value.roots.get(trustDomain) ?? []);
  const stored = facts.stored.state === 'Known' ? facts.stored.value.get(trustDomain)?.x509Authorities : undefined;
  const missing = (stored ?? []).filter((der) => !roots.has(fingerprint(der))).length;
  if (missing === 0 && stored !== undefined) return undefined;
  return no(
    'NotServedYet',
    roots.size === 0
      ? 'SPIRE’s agents do not serve its roots to the broker’s own identity: the registration entry of the broker must federate with it'
      : `SPIRE’s agents do not serve ${missing} of its roots yet; they ask SPIRE every 5 seconds`,
  );
}
