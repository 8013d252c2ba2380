// What must be undone when a test is over, and in which order?

/**
 * Undoes everything in the reverse order of its start, also when one step fails. Either
 * `const cleanup = new Cleanup(); after(() => cleanup.run());` or `await using cleanup = new Cleanup();`.
 */
export class Cleanup implements AsyncDisposable {
  readonly #steps: (() => Promise<void> | void)[] = [];

  add(step: () => Promise<void> | void): void {
    this.#steps.push(step);
  }

  /** Rejects with everything that failed, after all steps. A second call has nothing to do. */
  async run(): Promise<void> {
    const failures: unknown[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'not everything could be undone');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.run();
  }
}
