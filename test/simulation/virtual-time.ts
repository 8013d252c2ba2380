// What time is it in a simulation? It moves from one timer to the next, and never while anything is left to do.
import { setImmediate as turn } from 'node:timers/promises';
import type { Cancel } from '../../src/federation/clock.ts';
import type { Chance } from './random.ts';

interface Timer {
  readonly dueAtMs: number;
  /** Among timers of the same instant, chance decides. */
  readonly order: number;
  task: (() => void) | undefined;
}

/** Timers fire late, never early: those that nearly coincide are made to, which saves half of the instants. */
const GRID_MS = 100;

export const START_MS = Date.parse('2040-01-01T00:00:00Z');

export class VirtualTime {
  readonly #chance: Chance;
  readonly #heap: Timer[] = [];
  #nowMs = START_MS;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  /** Without anybody's skew. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Since the start. */
  get elapsedMs(): number {
    return this.#nowMs - START_MS;
  }

  after(delayMs: number, task: () => void): Cancel {
    const dueAtMs = Math.ceil((this.#nowMs + Math.max(delayMs, 0)) / GRID_MS) * GRID_MS;
    const timer: Timer = { dueAtMs, order: this.#chance.next(), task };
    this.#push(timer);
    return () => {
      timer.task = undefined;
    };
  }

  /**
   * Runs every timer up to `untilMs` since the start. After each instant all that follows from it has happened: nothing
   * in a simulation waits for anything but promises and these timers. `looked` is called then.
   */
  async runUntil(untilMs: number, looked: () => void): Promise<void> {
    await turn();
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.dueAtMs > START_MS + untilMs) break;
      this.#nowMs = Math.max(this.#nowMs, first.dueAtMs);
      if (!this.#runInstant()) continue;
      await turn();
      looked();
    }
    this.#nowMs = START_MS + untilMs;
  }

  /** Whether there was anything to do. */
  #runInstant(): boolean {
    let ran = false;
    for (let first = this.#heap[0]; first !== undefined && first.dueAtMs <= this.#nowMs; first = this.#heap[0]) {
      this.#pop();
      const { task } = first;
      first.task = undefined;
      if (task === undefined) continue;
      ran = true;
      task();
    }
    return ran;
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let index = heap.push(timer) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(timer, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.dueAtMs < b.dueAtMs || (a.dueAtMs === b.dueAtMs && a.order < b.order);
}
