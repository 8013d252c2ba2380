// How many fetches may be under way at once? Each is an OpenSSL context and connection of 100 KB, and memory that many
// of them took at the same moment is hardly ever given back.
import type { BundleSource } from '../federation/ports.ts';

/**
 * The same source, with at most `maxUnderWay` fetches under way; the others wait in the order in which they were asked
 * for. A fetch that asks for a wait is not counted: its answer may take minutes, and a bound of its own holds for those.
 */
export function queueFetches(source: BundleSource, maxUnderWay: number): BundleSource {
  let underWay = 0;
  const waiting = new Set<() => void>();

  /** Whether a place was given; false when the signal aborted first. */
  const placeGiven = (signal: AbortSignal | undefined) =>
    new Promise<boolean>((resolve) => {
      const settle = (given: boolean) => {
        waiting.delete(give);
        signal?.removeEventListener('abort', giveUp);
        resolve(given);
      };
      const give = () => {
        settle(true);
      };
      const giveUp = () => {
        settle(false);
      };
      waiting.add(give);
      signal?.addEventListener('abort', giveUp);
      if (signal?.aborted === true) giveUp();
    });

  return {
    async fetch(request, signal) {
      if (request.waitSeconds !== undefined) return source.fetch(request, signal);
      // Whoever leaves hands the place on, so that it is never free while somebody waits.
      if (underWay < maxUnderWay) underWay += 1;
      else if (!(await placeGiven(signal))) return source.fetch(request, signal);
      try {
        return await source.fetch(request, signal);
      } finally {
        const [next] = waiting;
        if (next === undefined) underWay -= 1;
        else next();
      }
    },
  };
}
