// A clock that stands still until a test moves it.
import type { Cancel, Clock } from '../../src/federation/clock.ts';

interface Timer {
  readonly dueAtMs: number;
  readonly task: () => void;
}

export class FakeClock implements Clock {
  #nowMs: number;
  readonly #timers = new Set<Timer>();

  constructor(start = new Date('2030-01-01T00:00:00Z')) {
    this.#nowMs = start.getTime();
  }

  now(): Date {
    return new Date(this.#nowMs);
  }

  after(delayMs: number, task: () => void): Cancel {
    const timer = { dueAtMs: this.#nowMs + delayMs, task };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  /** Moves time forward and runs every timer that falls due, in order of time, also those set on the way. */
  advance(byMs: number): void {
    const endMs = this.#nowMs + byMs;
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.dueAtMs <= endMs).sort((a, b) => a.dueAtMs - b.dueAtMs)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.#nowMs = Math.max(this.#nowMs, due.dueAtMs);
      due.task();
    }
    this.#nowMs = endMs;
  }

  /** As in a process that was stopped for so long: it is late at once, and what a timer starts runs before the next. */
  async wake(afterMs: number, settle: () => Promise<void>): Promise<void> {
    this.#nowMs += afterMs;
    for (const due of [...this.#timers].sort((a, b) => a.dueAtMs - b.dueAtMs)) {
      if (due.dueAtMs > this.#nowMs || !this.#timers.delete(due)) continue;
      due.task();
      await settle();
    }
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#timers.size;
  }
}
