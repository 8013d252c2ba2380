// When may the next fetch begin? Not all at once: a TLS handshake costs milliseconds of a core, and memory.
import { sleep, type Clock } from '../federation/clock.ts';
import type { BundleSource } from '../federation/ports.ts';
import { Places } from './places.ts';

export interface FetchPace {
  readonly perSecond: number;
  /** This many may begin at once after a quiet time. */
  readonly burst: number;
  /**
   * While this many have no answer yet, no other begins. On a machine that is too busy to keep up with the rate, fetches
   * would else pile up until they all run out of time, each with 150 KB. An endpoint that does not answer takes one of
   * these places until its deadline. Held answers take none.
   */
  readonly underWay: number;
}

/** The same source, whose fetches begin at a bounded rate in the order in which they are asked for. */
export function paceFetches(
  source: BundleSource,
  { perSecond, burst, underWay }: FetchPace,
  clock: Clock,
): BundleSource {
  const intervalMs = 1_000 / perSecond;
  const aheadMs = (burst - 1) * intervalMs;
  const places = new Places(underWay);
  let nextTurnMs = 0;
  let lastMs = 0;
  const turn = async (signal: AbortSignal) => {
    const nowMs = clock.now().getTime();
    // A clock that is set back takes the turns with it: else nothing is fetched until it is as late again.
    if (nowMs < lastMs) nextTurnMs -= lastMs - nowMs;
    lastMs = nowMs;
    const turnMs = Math.max(nextTurnMs, nowMs - aheadMs);
    nextTurnMs = turnMs + intervalMs;
    if (turnMs > nowMs) await sleep(clock, turnMs - nowMs, signal);
  };
  return {
    async fetch(request, signal = new AbortController().signal) {
      if (request.waitSeconds !== undefined) {
        await turn(signal);
        return source.fetch(request, signal);
      }
      const giveBack = await places.take(signal);
      try {
        await turn(signal);
        return await source.fetch(request, signal);
      } finally {
        giveBack();
      }
    },
  };
}
