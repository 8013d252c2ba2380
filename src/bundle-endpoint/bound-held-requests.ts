// How many answers are peers asked to hold at once? A held answer is an open TLS connection: 100 to 150 KB of memory.
import type { BundleSource } from '../federation/ports.ts';

/**
 * The same source, which asks at most `maxHeld` endpoints at once to hold their answers. The others are asked without
 * the wait, so that the schedule of their refresh hint is theirs; the first that asks after a place became free has it.
 */
export function boundHeldRequests(source: BundleSource, maxHeld: number): BundleSource {
  let held = 0;
  return {
    async fetch(request, signal) {
      const { waitSeconds, ...notHeld } = request;
      if (waitSeconds === undefined || held >= maxHeld) return source.fetch(notHeld, signal);
      held += 1;
      try {
        return await source.fetch(request, signal);
      } finally {
        held -= 1;
      }
    },
  };
}
