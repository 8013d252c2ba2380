// How do reading what SPIRE holds and writing to it keep out of each other's way? One at a time, in order of asking.

/**
 * A listing that overlaps one of our own writes could show half of it, and would look like somebody else's change.
 */
export class Exclusive {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task, task);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
