// How is that followed which is read again and again, for want of a watch? The last answer stays while the API server fails.
import { sleep, type Clock } from '../federation/clock.ts';
import type { CodedError, Report } from '../federation/ports.ts';
import { KubeError, type KubeErrorCode } from './kube-error.ts';

/** Of what changes with a restart of its pod only, a rare look is enough. */
const READ_EVERY_MS = 30_000;
/** What was missing is seen soon after it is there. */
const READ_AGAIN_MS = 5_000;

/** They say nothing about what is read, so that what was read before stays what is known. */
const PASSING: ReadonlySet<KubeErrorCode> = new Set([
  'KubeUnreachable',
  'KubeTlsFailed',
  'KubeConnectionLost',
  'KubeDeadlineExceeded',
  'KubeCancelled',
  'KubeUnauthorized',
  'KubeThrottled',
  'KubeServerError',
  'KubeAnswerInvalid',
] satisfies KubeErrorCode[]);

interface Reading {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Whether `read` may reject with it, beside a KubeError; anything else is a fault of this program. */
  readonly isAnswer?: (error: unknown) => error is CodedError;
}

/** Until the signal aborts. Rejects with a fault of this program only. */
export async function readAgain<T>(
  read: (signal: AbortSignal) => Promise<T | undefined>,
  report: Report<T>,
  { clock, signal, isAnswer = (error): error is CodedError => error instanceof KubeError }: Reading,
): Promise<void> {
  let reported = false;
  for (;;) {
    let pauseMs = READ_EVERY_MS;
    try {
      report(await read(signal));
      reported = true;
    } catch (error) {
      pauseMs = READ_AGAIN_MS;
      if (!isAnswer(error)) throw error;
      const passing = error instanceof KubeError && PASSING.has(error.code);
      if (!signal.aborted && !(passing && reported)) report(error);
    }
    if (signal.aborted) return;
    await sleep(clock, pauseMs, signal);
  }
}
