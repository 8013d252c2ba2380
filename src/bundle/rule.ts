// What does every rule about bundles say of itself, and what is it told beside the bundle?
import type { KnownRoots } from './known-roots.ts';
import type { TrustDomain } from './trust-domain.ts';

/** `refuse`: the whole bundle. `ignore-key`: that key alone. `warn`: nothing is left out. */
export type Severity = 'refuse' | 'ignore-key' | 'warn';

export interface RuleHead {
  /** At once the condition's reason, the metric's label and the line of `fedbroker check`. */
  readonly id: string;
  /** Of which standard, or why. */
  readonly section: string;
  readonly severity: Severity;
  /** Completes "a bundle passes when …". */
  readonly demand: string;
  /** It compares with the bundles that are held: without them it has nothing to say. */
  readonly needsKnownRoots?: true;
}

export interface RuleContext {
  readonly trustDomain: TrustDomain;
  readonly now: Date;
  /** Whose roots are whose already. */
  readonly knownRoots: KnownRoots;
  readonly maxRoots: number;
}
