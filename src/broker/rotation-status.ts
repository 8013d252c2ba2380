// Who holds which of our authorities, as /status says it? Behind `fedbroker rotation` and `fedbroker rotate`.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Condition } from '../federation/conditions.ts';
import type { Declarations, Facts } from '../federation/facts.ts';
import { rotationAlarms, type RotationAlarm } from '../rotation/alarms.ts';
import { judgeHoldings } from '../rotation/holding-judgement.ts';
import { rotationReadiness, type KindReadiness } from '../rotation/readiness.ts';
import type { UnreadableStatus } from './status.ts';

/** How readiness is found, beside the facts. */
export interface RotationGround {
  readonly refreshHintSeconds: number;
  readonly seenSince: ReadonlyMap<string, Date>;
  readonly listeningSince: Date;
}

export interface KindStatus extends KindReadiness {
  readonly alarms: readonly RotationAlarm[];
}

/** Dates as ISO 8601 text and 64-bit numbers as text, once it is written. */
export type RotationStatus = { readonly kinds: readonly KindStatus[] } | UnreadableStatus;

const NOT_LOOKED_YET: UnreadableStatus = {
  reason: 'AuthoritiesNotLookedYet',
  message: 'the authorities that sign for us were not looked at yet',
};

export function rotationStatus(facts: Facts, ground: RotationGround): RotationStatus {
  const { now, localAuthorities, ownBundle, declared, managed, acknowledgements } = facts;
  if (localAuthorities === undefined) return NOT_LOOKED_YET;
  for (const fact of [localAuthorities, ownBundle, declared, ...(isIncomplete(declared) ? [managed] : [])]) {
    if (fact.state === 'Unreadable') return { reason: fact.reason, message: fact.message };
  }
  if (localAuthorities.state !== 'Known' || ownBundle.state !== 'Known' || declared.state !== 'Known') {
    return NOT_LOOKED_YET;
  }
  const kinds = rotationReadiness({
    ...ground,
    now,
    states: localAuthorities.value,
    ownBundle: ownBundle.value,
    peers: verifiersOf(declared.value, managed),
    acknowledgements,
  });
  return { kinds: kinds.map((kind) => ({ ...kind, alarms: rotationAlarms(kind, now, ground.refreshHintSeconds) })) };
}

/** Of each peer; undefined where the authorities are not looked at, and for one that is to hold nothing of ours. */
export function holdingConditions(
  rotation: RotationStatus | undefined,
): (trustDomain: TrustDomain) => Condition | undefined {
  if (rotation === undefined) return () => undefined;
  const type = 'HoldsOurAuthorities';
  if ('reason' in rotation) return () => ({ type, status: 'Unknown', ...rotation });
  const judge = judgeHoldings(rotation.kinds);
  return (trustDomain) => {
    const judgement = judge(trustDomain);
    return judgement && { type, ...judgement };
  };
}

function isIncomplete(declared: Facts['declared']): boolean {
  return declared.state === 'Known' && declared.value.incompleteBecause !== undefined;
}

/** Who may verify our SVIDs. A peer whose declaration cannot be read is federated with all the same. */
function verifiersOf({ peers, incompleteBecause }: Declarations, managed: Facts['managed']): readonly TrustDomain[] {
  const declared = peers.filter(({ suspend }) => suspend !== 'Revoke').map(({ trustDomain }) => trustDomain);
  if (incompleteBecause === undefined || managed.state !== 'Known') return declared;
  const names = new Set(peers.map(({ trustDomain }) => trustDomain));
  return [...declared, ...[...managed.value.keys()].filter((name) => !names.has(name))];
}
