// How long may we act as the leader? Until the renew deadline after the last write of the Lease that succeeded was sent.
import type { Cancel, Clock } from '../federation/clock.ts';
import type { KubeObject } from './kube-object.ts';

export class Tenure {
  readonly #clock: Clock;
  readonly #renewDeadlineMs: number;
  readonly #over = new AbortController();
  #cancelDeadline: Cancel = () => undefined;
  #untilMs = 0;

  constructor(clock: Clock, renewDeadlineMs: number) {
    this.#clock = clock;
    this.#renewDeadlineMs = renewDeadlineMs;
  }

  /** Aborts when it is over. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /**
   * Asked before a write: a process that was stopped and goes on handles what came in before its timers, so the clock
   * decides. The tenure is over when it says no.
   */
  isHeld = (): boolean => {
    if (this.#clock.now().getTime() >= this.#untilMs) this.end();
    return !this.signal.aborted;
  };

  /** Prolongs the tenure if `write` succeeds, counted from now: others count from when they see what it wrote. */
  async hold(write: () => Promise<KubeObject>): Promise<KubeObject> {
    const untilMs = this.#clock.now().getTime() + this.#renewDeadlineMs;
    const cancel = this.#clock.after(this.#renewDeadlineMs, () => {
      this.end();
    });
    try {
      const lease = await write();
      this.#cancelDeadline();
      this.#cancelDeadline = cancel;
      this.#untilMs = untilMs;
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
