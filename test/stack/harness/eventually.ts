// Has it become true yet? For what real parts do in their own time.
import { setTimeout as sleep } from 'node:timers/promises';

export interface EventuallyOptions {
  /** Default 30,000. */
  readonly timeoutMs?: number;
  /** Default 100. */
  readonly intervalMs?: number;
}

/**
 * The first value of `probe` that is neither undefined nor false. A probe that throws has not got there yet; its last
 * error is the cause of the one thrown when the time is over. `what` completes the sentence "timed out waiting until".
 */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  { timeoutMs = 30_000, intervalMs = 100 }: EventuallyOptions = {},
): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs;
  let lastError: unknown;
  do {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    await sleep(intervalMs);
  } while (performance.now() < deadlineMs);
  const reason = lastError instanceof Error ? `: ${lastError.message}` : '';
  throw new Error(`timed out after ${timeoutMs} ms waiting until ${what}${reason}`, { cause: lastError });
}
