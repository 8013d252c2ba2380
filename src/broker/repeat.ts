// How is something done again and again until we stop?
import { sleep, type Clock } from '../federation/clock.ts';

export interface Repetition {
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly signal: AbortSignal;
}

/** Runs `task`, waits, runs it again; never two at a time. `task` deals with its own failures. */
export async function repeat({ clock, intervalMs, signal }: Repetition, task: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await task();
    await sleep(clock, intervalMs, signal);
  }
}
