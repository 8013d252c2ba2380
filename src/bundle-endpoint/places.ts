// Who may go on, when only so many may at once? The longest waiting first.

/** Whoever has one of them gives it back. */
export class Places {
  #free: number;
  /** In the order of asking. */
  readonly #waiting = new Set<() => void>();

  constructor(count: number) {
    this.#free = count;
  }

  /** Resolves to what gives the place back; when the signal aborts first, at once and without a place. */
  take(signal: AbortSignal): Promise<() => void> {
    if (signal.aborted) return Promise.resolve(noPlace);
    if (this.#free > 0) {
      this.#free -= 1;
      return Promise.resolve(this.#giveBack);
    }
    return new Promise((resolve) => {
      const taken = () => {
        signal.removeEventListener('abort', giveUp);
        resolve(this.#giveBack);
      };
      const giveUp = () => {
        this.#waiting.delete(taken);
        resolve(noPlace);
      };
      this.#waiting.add(taken);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  /** The longest waiting has it next. */
  readonly #giveBack = (): void => {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free += 1;
      return;
    }
    this.#waiting.delete(next);
    next();
  };
}

function noPlace(): void {
  // Nothing was taken, so nothing is given back.
}
