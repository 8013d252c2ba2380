// How long until the next attempt? Full jitter: many clients of one API server do not come back in step.

export interface BackoffRange {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Evenly between 0 and a bound that doubles with each failure in a row (`failures` ≥ 1). `random`: 0 ≤ random < 1. */
export function backoffMs({ firstMs, maxMs }: BackoffRange, failures: number, random: number): number {
  return Math.round(random * Math.min(firstMs * 2 ** Math.min(failures - 1, 30), maxMs));
}

/** `ms` give or take `share` of it. */
export function jittered(ms: number, share: number, random: number): number {
  return Math.round(ms * (1 + share * (2 * random - 1)));
}
