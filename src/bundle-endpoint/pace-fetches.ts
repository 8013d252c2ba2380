// When may the next fetch begin? Not all at once: a TLS handshake costs milliseconds of a core, and memory.
import { sleep, type Clock } from '../federation/clock.ts';
import type { BundleSource } from '../federation/ports.ts';

export interface FetchPace {
  readonly perSecond: number;
  /** This many may begin at once after a quiet time. */
  readonly burst: number;
}

/**
 * The same source, whose fetches begin at a bounded rate in the order in which they are asked for. Beginnings are
 * counted, not what is under way: an endpoint that does not answer delays no other.
 */
export function paceFetches(source: BundleSource, { perSecond, burst }: FetchPace, clock: Clock): BundleSource {
  const intervalMs = 1_000 / perSecond;
  const aheadMs = (burst - 1) * intervalMs;
  let nextTurnMs = 0;
  return {
    async fetch(request, signal = new AbortController().signal) {
      const nowMs = clock.now().getTime();
      const turnMs = Math.max(nextTurnMs, nowMs - aheadMs);
      nextTurnMs = turnMs + intervalMs;
      if (turnMs > nowMs) await sleep(clock, turnMs - nowMs, signal);
      return source.fetch(request, signal);
    },
  };
}
