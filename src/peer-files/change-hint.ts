// Has something changed in this directory since we began to look? What the system tells, where it tells anything (inotify(7)).
import { watch, type FSWatcher } from 'node:fs';

/** Only a hint: a mount over the network, or a directory that is not there, gives none. */
export class ChangeHint implements Disposable {
  readonly #changed = new AbortController();
  readonly #watcher: FSWatcher | undefined;

  constructor(directory: string) {
    try {
      this.#watcher = watch(directory, { persistent: false }, () => {
        this.#changed.abort();
      });
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      this.#watcher = undefined;
    }
  }

  /** Aborts at the first change. */
  get signal(): AbortSignal {
    return this.#changed.signal;
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
  }
}
