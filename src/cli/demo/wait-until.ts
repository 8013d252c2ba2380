// When has something come true? Asked again and again, for so long and no longer.
import { sleep, systemClock } from '../../federation/clock.ts';

export interface Wait {
  readonly everyMs: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Whether `isTrue` answered true before the time was over or the signal aborted. */
export async function waitUntil(
  isTrue: () => boolean | Promise<boolean>,
  { everyMs, timeoutMs, signal }: Wait,
): Promise<boolean> {
  const endMs = performance.now() + timeoutMs;
  while (!signal.aborted) {
    if (await isTrue()) return true;
    if (performance.now() >= endMs) return false;
    await sleep(systemClock, everyMs, signal);
  }
  return false;
}
