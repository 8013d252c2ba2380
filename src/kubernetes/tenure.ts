// How long may we act as the leader? Until the renew deadline after the last write of the Lease that succeeded was sent.
import type { Cancel, Clock } from '../federation/clock.ts';
import type { KubeObject } from './kube-object.ts';

export class Tenure {
  readonly #clock: Clock;
  readonly #renewDeadlineMs: number;
  readonly #over = new AbortController();
  #cancelDeadline: Cancel = () => undefined;

  constructor(clock: Clock, renewDeadlineMs: number) {
    this.#clock = clock;
    this.#renewDeadlineMs = renewDeadlineMs;
  }

  /** Aborts when it is over. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** Prolongs the tenure if `write` succeeds, counted from now: others count from when they see what it wrote. */
  async hold(write: () => Promise<KubeObject>): Promise<KubeObject> {
    const cancel = this.#clock.after(this.#renewDeadlineMs, () => {
      this.end();
    });
    try {
      const lease = await write();
      this.#cancelDeadline();
      this.#cancelDeadline = cancel;
      if (this.signal.aborted) cancel();
      return lease;
    } catch (error) {
      cancel();
      throw error;
    }
  }

  end(): void {
    this.#cancelDeadline();
    this.#over.abort();
  }
}
