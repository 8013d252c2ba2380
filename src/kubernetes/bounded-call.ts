// How long may this call take, and who may stop it? One signal for both, and one error that says which it was.
import type { Clock } from '../federation/clock.ts';
import { KubeError, kubeErrorOfConnection } from './kube-error.ts';

export interface CallBounds {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Runs `call`, which has to stop when its signal aborts and may end its time limit early by `inTime`.
 *
 * @throws KubeError `KubeCancelled`, `KubeDeadlineExceeded`, or what `call` failed with, read as a connection's failure
 */
export async function boundedCall<T>(
  what: string,
  { clock, timeoutMs, signal }: CallBounds,
  call: (stop: AbortSignal, inTime: () => void) => Promise<T>,
): Promise<T> {
  const deadline = new AbortController();
  const stop = signal === undefined ? deadline.signal : AbortSignal.any([signal, deadline.signal]);
  const cancelTimer = clock.after(timeoutMs, () => {
    deadline.abort();
  });
  try {
    return await Promise.race([call(stop, cancelTimer), rejectionOf(stop)]);
  } catch (cause) {
    if (signal?.aborted === true) throw new KubeError('KubeCancelled', `${what}: cancelled`);
    if (deadline.signal.aborted) {
      throw new KubeError('KubeDeadlineExceeded', `${what}: no whole answer of the API server within ${timeoutMs} ms`);
    }
    throw kubeErrorOfConnection(what, cause);
  } finally {
    cancelTimer();
  }
}

/** A credential plugin of a kubeconfig knows no signal; the call ends without it. */
function rejectionOf(stop: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = () => {
      reject(new Error('stopped'));
    };
    if (stop.aborted) fail();
    else stop.addEventListener('abort', fail, { once: true });
  });
}
