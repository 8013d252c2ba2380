// What do many durations come down to? The middle, the end, and how many there were.

export interface Summary {
  readonly samples: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly maxMs: number;
}

/** Quantiles are nearest-rank: values that were measured. Throws when there are none. */
export function summarize(durationsMs: readonly number[]): Summary {
  const sorted = durationsMs.toSorted((a, b) => a - b);
  const quantile = (share: number): number => {
    const value = sorted[Math.max(Math.ceil(share * sorted.length) - 1, 0)];
    if (value === undefined) throw new Error('nothing was measured');
    return rounded(value, 1);
  };
  return { samples: sorted.length, p50Ms: quantile(0.5), p95Ms: quantile(0.95), maxMs: quantile(1) };
}

/** With so many decimals at most. */
export function rounded(value: number, decimals: number): number {
  return Number(value.toFixed(decimals));
}
