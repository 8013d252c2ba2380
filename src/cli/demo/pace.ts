// How fast does the demo go? Slow enough for people to read, and done well within a minute.

export interface Pace {
  /** Between two calls in one direction. */
  readonly callEveryMs: number;
  /** How often a workload asks SPIRE for its SVID and bundles; an agent is pushed them within seconds. */
  readonly followEveryMs: number;
  /** From publishing a new root to signing with it. SPIRE's own clock gives eight hours with its default `ca_ttl`. */
  readonly leadMs: number;
  /** From signing with the new root to the other side's rotation. */
  readonly restMs: number;
  /** A new root that the other SPIRE does not hold by then has not arrived. */
  readonly toPeerTimeoutMs: number;
  /** How long a hostile document is served. */
  readonly hostileMs: number;
}

export const DEMO_PACE: Pace = {
  callEveryMs: 60,
  followEveryMs: 250,
  leadMs: 1_200,
  restMs: 800,
  toPeerTimeoutMs: 10_000,
  hostileMs: 900,
};
