// Where does chance come from in a simulation? From the seed alone, so that a run can be had again. (sfc32)

export interface Chance {
  /** 0 ≤ n < 1. */
  readonly next: () => number;
  /** A whole number, 0 ≤ n < `below`. */
  below(below: number): number;
  /** A whole number, `from` ≤ n ≤ `to`. */
  between(from: number, to: number): number;
  /** True in so many of a hundred cases. */
  percent(percent: number): boolean;
  /** One of them; undefined when there are none. */
  pick<T>(list: readonly T[]): T | undefined;
}

export function chanceOf(seed: number): Chance {
  let [a, b, c, counter] = [seed | 0, Math.imul(seed, 0x9e3779b9) | 0, 0xb5297a4d | 0, 1];
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  // The first numbers of seeds that are neighbours are alike.
  for (let turn = 0; turn < 15; turn++) next();
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    next,
    below,
    between: (from, to) => from + below(to - from + 1),
    percent: (percent) => next() * 100 < percent,
    pick: (list) => list[below(list.length)],
  };
}
