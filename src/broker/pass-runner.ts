// When does a pass run? One at a time; a trigger during a pass starts exactly one more.
import { sleep, type Cancel, type Clock } from '../federation/clock.ts';

/** After a pass in which a step failed: doubles from the first to the second while steps go on failing. */
const RETRY_FIRST_MS = 1_000;
const RETRY_LAST_MS = 60_000;

export class PassRunner {
  readonly #pass: () => Promise<{ readonly failed: boolean }>;
  readonly #clock: Clock;
  /** Those who wait for a pass that has not begun yet. */
  #waiting: (() => void)[] = [];
  #loop: Promise<void> | undefined;
  #cancelRetry: Cancel | undefined;
  #failedInARow = 0;
  readonly #stopping = new AbortController();

  /** `pass` must not reject: what goes wrong in it is for it to report. */
  constructor(clock: Clock, pass: () => Promise<{ readonly failed: boolean }>) {
    this.#clock = clock;
    this.#pass = pass;
  }

  /** Resolves when a pass has ended that began after this call, or when the runner was stopped. */
  request(): Promise<void> {
    if (this.#stopping.signal.aborted) return Promise.resolve();
    const ended = new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#loop ??= this.#run();
    return ended;
  }

  /** Lets the running pass end and starts no other. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#cancelRetry?.();
    await this.#loop;
  }

  async #run(): Promise<void> {
    // Triggers of the same moment share the first pass.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const served = this.#waiting;
      this.#waiting = [];
      const startMs = this.#clock.now().getTime();
      if (!this.#stopping.signal.aborted) await this.#runOnce();
      for (const resolve of served) resolve();
      // Under a stream of triggers, passes take at most half of the time: the facts need the rest to arrive.
      const tookMs = this.#clock.now().getTime() - startMs;
      if (tookMs > 0) await sleep(this.#clock, tookMs, this.#stopping.signal);
    }
    this.#loop = undefined;
  }

  async #runOnce(): Promise<void> {
    this.#cancelRetry?.();
    const { failed } = await this.#pass();
    this.#failedInARow = failed ? this.#failedInARow + 1 : 0;
    if (!failed) return;
    const delayMs = Math.min(RETRY_FIRST_MS * 2 ** Math.min(this.#failedInARow - 1, 30), RETRY_LAST_MS);
    this.#cancelRetry = this.#clock.after(delayMs, () => void this.request());
  }
}
