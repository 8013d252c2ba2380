// What happened in a run? Told only when somebody will read it: most runs have nothing to tell.

export interface Violation {
  /** Of the invariant. */
  readonly id: string;
  /** Since the start. */
  readonly atMs: number;
  readonly message: string;
}

export class Story {
  readonly #isTold: boolean;
  readonly #elapsedMs: () => number;
  readonly #lines: string[] = [];

  constructor({ isTold, elapsedMs }: { readonly isTold: boolean; readonly elapsedMs: () => number }) {
    this.#isTold = isTold;
    this.#elapsedMs = elapsedMs;
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  note(who: string, what: () => string): void {
    if (this.#isTold) this.#lines.push(`${timeText(this.#elapsedMs())}  ${who.padEnd(14)} ${what()}`);
  }
}

/** `  63.5 s`. */
export function timeText(elapsedMs: number): string {
  return `${(elapsedMs / 1000).toFixed(1).padStart(7)} s`;
}
