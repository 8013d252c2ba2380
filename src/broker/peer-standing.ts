// Where does one peer stand, and what does that rest on? As values: /metrics measures them, /status writes them out.
import type { Bundle } from '../bundle/bundle.ts';
import { conditionsOf, type Condition } from '../federation/conditions.ts';
import type { PeerPlan } from '../federation/decide-peer.ts';
import { indexEntries } from '../federation/entry-index.ts';
import type { Facts, FetchFact } from '../federation/facts.ts';
import { groupBy } from '../federation/group-by.ts';
import type { PassResult } from './pass.ts';
import { holdingConditions, type RotationStatus } from './rotation-status.ts';

export interface PeerStanding {
  readonly plan: PeerPlan;
  readonly conditions: readonly Condition[];
  /** What SPIRE holds. */
  readonly held: Bundle | undefined;
  readonly fetch: FetchFact | undefined;
  readonly entriesFederated: number;
}

export interface StandingInput {
  readonly facts: Facts;
  /** Undefined before the first pass. */
  readonly lastPass: PassResult | undefined;
  readonly rotation: RotationStatus | undefined;
}

/** Of each peer of the last pass, in its order. Each is made when it is asked for. */
export function* peerStandings({ facts, lastPass, rotation }: StandingInput): Generator<PeerStanding> {
  if (lastPass === undefined) return;
  const { stored, fetched } = facts;
  const entries = facts.entries.state === 'Known' ? indexEntries(facts.entries.value) : undefined;
  const holdingOf = holdingConditions(rotation);
  const outcomesOf = groupBy(lastPass.outcomes, ({ trustDomains }) => trustDomains);
  for (const plan of lastPass.plan.peers) {
    const { trustDomain } = plan.peer;
    const outcomes = [...(outcomesOf.get(trustDomain) ?? [])];
    const entriesFederated = entries?.naming(trustDomain).size ?? 0;
    const conditions = conditionsOf({ plan, facts, outcomes, entriesFederated });
    const holding = holdingOf(trustDomain);
    yield {
      plan,
      conditions: holding === undefined ? conditions : conditions.toSpliced(-1, 0, holding),
      held: stored.state === 'Known' ? stored.value.get(trustDomain) : undefined,
      fetch: fetched.get(trustDomain),
      entriesFederated,
    };
  }
}
