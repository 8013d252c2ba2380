// What does a broker of the demo say of its peer?
import type { Condition } from '../../federation/conditions.ts';
import type { Side } from './side.ts';

/** Undefined while the broker knows no such peer. */
export function conditionOf({ broker }: Side, peer: Side, type: Condition['type']): Condition | undefined {
  for (const { standing } of broker.status().peers) {
    if (standing.plan.peer.trustDomain !== peer.trustDomain) continue;
    return standing.conditions.find((condition) => condition.type === type);
  }
  return undefined;
}
