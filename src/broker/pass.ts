// What happens in one pass? Facts → plan → steps → outcomes; then what the steps may have changed is read again.
import { isDeepStrictEqual } from 'node:util';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { declaredPeer } from '../federation/declared-peer.ts';
import type { StepOutcome } from '../federation/judgement.ts';
import type { Facts } from '../federation/facts.ts';
import { planFederation, type FederationPlan, type PlanLimits, type Step } from '../federation/plan.ts';
import type { SpireServer } from '../federation/ports.ts';
import { applySteps } from './apply.ts';
import type { ClusterWriters } from './apply-cluster.ts';
import { transitionsOf } from './audit-transitions.ts';
import type { Auditor } from './auditor.ts';
import type { Exclusive } from './exclusive.ts';
import type { FactBoard } from './fact-board.ts';
import type { SpireGatherer } from './gather-spire.ts';

export interface PassParts {
  readonly board: FactBoard;
  readonly spire: SpireServer;
  readonly cluster: ClusterWriters | undefined;
  readonly gatherer: SpireGatherer;
  readonly exclusive: Exclusive;
  readonly limits: PlanLimits;
  /** Undefined: nothing is recorded. */
  readonly auditor: Auditor | undefined;
  /** Asked before each step. */
  readonly mayWrite: () => boolean;
  readonly signal: AbortSignal;
}

export interface PassResult {
  readonly plan: FederationPlan;
  readonly outcomes: readonly StepOutcome[];
}

export interface PassReport extends PassResult {
  readonly facts: Facts;
}

/** Repeatable at any time: over unchanged facts it plans nothing and so writes nothing. */
export async function runPass({
  board,
  spire,
  cluster,
  gatherer,
  exclusive,
  limits,
  auditor,
  mayWrite,
  signal,
}: PassParts): Promise<PassReport> {
  const report = await exclusive.run(async () => {
    const facts = board.snapshot();
    const plan = planFederation(facts, limits);
    if (auditor !== undefined) await auditor.note(() => transitionsOf({ facts, plan, trail: auditor }));
    const outcomes = await applySteps(plan.steps, {
      spire,
      cluster,
      noteStored: (trustDomain, bundle) => {
        board.noteStored(trustDomain, bundle);
      },
      audit: auditor && { auditor, facts, plan },
      noteUnanswered: (trustDomain, bundle) => {
        board.noteUnanswered(trustDomain, bundle);
      },
      mayWrite,
      isOverruled: (trustDomain) => isOverruled(trustDomain, facts.declared, board.fact('declared')),
      signal,
    });
    return { facts, plan, outcomes };
  });
  const ran = new Set(report.plan.steps.map(({ kind }) => kind));
  for (const [read, kinds] of readsAfter(gatherer)) {
    if (kinds.some((kind) => ran.has(kind))) await read(signal);
  }
  return report;
}

/** A pass can take long: what is declared by now may not be what the plan was made from. */
function isOverruled(trustDomain: TrustDomain, planned: Facts['declared'], now: Facts['declared']): boolean {
  if (now.state !== 'Known' || (planned.state === 'Known' && planned.value === now.value)) return false;
  const [before, after] = [declaredPeer(planned, trustDomain), declaredPeer(now, trustDomain)];
  // One that is missing while the declarations are incomplete was not withdrawn.
  if (after === undefined && now.value.incompleteBecause !== undefined) return false;
  return !isDeepStrictEqual(before, after);
}

/** Which facts a kind of step makes old. A stored bundle is not among them: SPIRE answers the write with its content. */
function readsAfter(
  gatherer: SpireGatherer,
): readonly (readonly [(signal: AbortSignal) => Promise<void>, readonly Step['kind'][]])[] {
  return [
    [(signal) => gatherer.readManaged(signal), ['RecordManagedPeers']],
    [
      (signal) => gatherer.readRelationships(signal),
      ['CreateRelationship', 'UpdateRelationship', 'DeleteRelationship'],
    ],
    [(signal) => gatherer.readStored(signal), ['CreateRelationship', 'DeleteBundle']],
    [(signal) => gatherer.readEntries(signal), ['UpdateEntries', 'DeleteBundle']],
  ];
}
