// What does a broker of the demo say of its peer?
import type { Condition } from '../../federation/conditions.ts';
import type { Side } from './side.ts';

/** Undefined while the broker knows no such peer. */
export function conditionOf({ broker }: Side, peer: Side, type: Condition['type']): Condition | undefined {
  const found = [...broker.status().peers].find(({ trustDomain }) => trustDomain === peer.trustDomain);
  return found?.conditions.find((condition) => condition.type === type);
}
