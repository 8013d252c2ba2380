// What time is it, and wake me later: the one source of time, passed in so that tests never sleep.

export interface Clock {
  now(): Date;
  /** Runs `task` once after `delayMs` milliseconds unless cancelled. */
  after(delayMs: number, task: () => void): Cancel;
}

export type Cancel = () => void;

/** Node's timers run a longer delay at once (2^31 − 1 ms, 24.8 days). */
export const MAX_DELAY_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => new Date(),
  after(delayMs, task) {
    const timer = setTimeout(task, Math.min(Math.max(delayMs, 0), MAX_DELAY_MS));
    return () => {
      clearTimeout(timer);
    };
  },
};

/** Resolves after `delayMs` milliseconds, or at once when the signal aborts: the caller looks at the signal. */
export function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const wake = () => {
      cancel();
      signal.removeEventListener('abort', wake);
      resolve();
    };
    const cancel = clock.after(delayMs, wake);
    signal.addEventListener('abort', wake);
  });
}

export function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener(
      'abort',
      () => {
        resolve();
      },
      { once: true },
    );
  });
}
