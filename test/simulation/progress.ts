// How far is it? A line for people who wait.
import type { WorkerTells } from './seed-worker.ts';

const TELL_EVERY_MS = 2_000;

/** One line, written over itself on a terminal and now and then elsewhere. */
export class Progress {
  faults = 0;
  writes = 0;
  readonly #runs: number;
  #done = 0;
  #broken = 0;
  #toldAtMs = performance.now();

  constructor(runs: number) {
    this.#runs = runs;
  }

  note({ violations, faults, writes }: WorkerTells): void {
    this.#done += 1;
    this.faults += faults;
    this.writes += writes;
    if (violations.length > 0) this.#broken += 1;
    const everyMs = process.stderr.isTTY ? TELL_EVERY_MS : 10 * TELL_EVERY_MS;
    if (performance.now() - this.#toldAtMs < everyMs) return;
    this.#toldAtMs = performance.now();
    const line = `${this.#done} of ${this.#runs} runs, ${this.#broken} broken`;
    process.stderr.write(process.stderr.isTTY ? `\r${line}` : `${line}\n`);
  }

  end(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  }
}
