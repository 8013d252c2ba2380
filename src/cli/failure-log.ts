// How often is a failure logged that repeats until an operator does something? When it changes, and now and then.
import type { Clock } from '../federation/clock.ts';
import type { CodedError } from '../federation/ports.ts';
import type { Logger } from '../log.ts';

const SAME_AGAIN_MS = 10 * 60_000;

export class FailureLog {
  readonly #log: Pick<Logger, 'error'>;
  readonly #clock: Clock;
  readonly #last = new Map<string, { readonly code: string; readonly atMs: number }>();

  constructor(log: Pick<Logger, 'error'>, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** `duty` completes "cannot …": one line for it and a code, however many objects and attempts fail. */
  note(duty: string, error: CodedError): void {
    const { code } = error;
    const atMs = this.#clock.now().getTime();
    const last = this.#last.get(duty);
    if (last?.code === code && atMs < last.atMs + SAME_AGAIN_MS) return;
    this.#last.set(duty, { code, atMs });
    this.#log.error({ reason: code, err: error }, `cannot ${duty}; it is tried again`);
  }

  /** It works: the next failure is news. */
  noteDone(duty: string): void {
    this.#last.delete(duty);
  }
}
