// Which numbers does a fuzzer go by, so that what it found can be found again?

/** Of every fuzzer, unless FUZZ_SEED says another. */
export const SEED = Number(process.env['FUZZ_SEED'] ?? 20_400_101);

/** xorshift32: small, and the same numbers on every machine. */
export function randomNumbers(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
