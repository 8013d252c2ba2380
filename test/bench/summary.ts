// What do many durations come down to? The middle, the end, and how many there were.

export interface Summary {
  readonly samples: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly maxMs: number;
}

/** Throws when there are none. */
export function summarize(durationsMs: readonly number[]): Summary {
  const at = (share: number) => rounded(quantile(durationsMs, share), 1);
  return { samples: durationsMs.length, p50Ms: at(0.5), p95Ms: at(0.95), maxMs: at(1) };
}

/** Nearest-rank: one of the values. Throws when there are none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(Math.ceil(share * sorted.length) - 1, 0)];
  if (value === undefined) throw new Error('nothing was measured');
  return value;
}

/** With so many decimals at most. */
export function rounded(value: number, decimals: number): number {
  return Number(value.toFixed(decimals));
}
