// How did the calls in one direction go?

/** Of the newest calls, oldest first. */
const RECENT_CALLS = 60;

export class CallTally {
  #ok = 0;
  #failed = 0;
  #lastMs: number | undefined;
  #recent: readonly boolean[] = [];
  readonly #onNewFailure: (reason: string) => void;
  #lastFailure: string | undefined;

  /** `onNewFailure` is told of a failure when the call before did not fail for the same reason. */
  constructor(onNewFailure: (reason: string) => void) {
    this.#onNewFailure = onNewFailure;
  }

  get ok(): number {
    return this.#ok;
  }

  get failures(): number {
    return this.#failed;
  }

  /** How long the newest good call took, from connecting to the answer. */
  get lastMs(): number | undefined {
    return this.#lastMs;
  }

  /** Whether each of the newest calls was good, oldest first. */
  get recent(): readonly boolean[] {
    return this.#recent;
  }

  succeeded(tookMs: number): void {
    this.#ok += 1;
    this.#lastMs = tookMs;
    this.#lastFailure = undefined;
    this.#note(true);
  }

  failed(reason: string): void {
    this.#failed += 1;
    this.#note(false);
    if (reason !== this.#lastFailure) this.#onNewFailure(reason);
    this.#lastFailure = reason;
  }

  #note(ok: boolean): void {
    this.#recent = [...this.#recent, ok].slice(-RECENT_CALLS);
  }
}
