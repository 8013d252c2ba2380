// When does a loop take its next turn? When it is told that there is something to do, or when time says so.
import type { Cancel, Clock } from '../federation/clock.ts';

export class Turns {
  readonly #clock: Clock;
  #isDue = false;
  #wake: () => void = () => undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** There is something to do: one more turn, also when one is under way now. */
  request(): void {
    this.#isDue = true;
    this.#wake();
  }

  /** Takes turns until the signal aborts. A turn gives how long the next may wait for a request; undefined: forever. */
  async run(turn: () => Promise<number | undefined> | number | undefined, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#isDue = false;
      await this.#pause(await turn(), signal);
    }
  }

  #pause(forMs: number | undefined, signal: AbortSignal): Promise<void> {
    if (this.#isDue || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      let cancel: Cancel | undefined;
      const end = () => {
        cancel?.();
        signal.removeEventListener('abort', end);
        this.#wake = () => undefined;
        resolve();
      };
      this.#wake = end;
      signal.addEventListener('abort', end);
      if (forMs !== undefined) cancel = this.#clock.after(forMs, end);
    });
  }
}
