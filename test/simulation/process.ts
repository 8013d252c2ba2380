// What is a process that can be killed or stopped at any moment? A clock of its own, and answers that reach it while it lives.
import type { Clock } from '../../src/federation/clock.ts';
import type { VirtualTime } from './virtual-time.ts';

/** More calls in one instant are a program that never comes to rest: no time passes in which to stop it. */
const MAX_CALLS_IN_AN_INSTANT = 2_000;

/** A call that shall be the last: it is not done any more, or it is done and nobody learns of it. */
interface LastCall {
  callsLeft: number;
  readonly isDone: boolean;
}

export class Process {
  readonly name: string;
  readonly clock: Clock;
  readonly #time: VirtualTime;
  readonly #onKilled: () => void;
  readonly #onRestless: () => void;
  #isAlive = true;
  #skewMs: number;
  #stoppedUntilMs = 0;
  #lastCall: LastCall | undefined;
  #callsAtMs = 0;
  #calls = 0;

  constructor(
    name: string,
    parts: { time: VirtualTime; skewMs: number; onKilled: () => void; onRestless: () => void },
  ) {
    this.name = name;
    this.#time = parts.time;
    this.#skewMs = parts.skewMs;
    this.#onKilled = parts.onKilled;
    this.#onRestless = parts.onRestless;
    this.clock = {
      now: () => new Date(this.#time.nowMs + this.#skewMs),
      after: (delayMs, task) => {
        let cancelled = false;
        const cancel = this.#time.after(delayMs, () => {
          this.reach(() => {
            if (!cancelled) task();
          });
        });
        return () => {
          cancelled = true;
          cancel();
        };
      },
    };
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get isStopped(): boolean {
    return this.#time.nowMs < this.#stoppedUntilMs;
  }

  /** What happens to it from outside: never after its death, and not before it goes on. */
  reach(task: () => void): void {
    if (!this.#isAlive) return;
    if (!this.isStopped) task();
    else
      this.#time.after(this.#stoppedUntilMs - this.#time.nowMs, () => {
        this.reach(task);
      });
  }

  /** As SIGKILL. */
  kill(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    this.#onKilled();
  }

  /** As SIGSTOP, and SIGCONT after so long: its timers and answers wait, its clock goes on. */
  stopFor(durationMs: number): void {
    this.#stoppedUntilMs = this.#time.nowMs + durationMs;
  }

  /** Somebody sets the clock of its machine. */
  setClock(skewMs: number): void {
    this.#skewMs = skewMs;
  }

  /** Kills it at its n-th call from now, before or after it is done. */
  killAtCall(n: number, isDone: boolean): void {
    this.#lastCall = { callsLeft: n, isDone };
  }

  /** What was to kill it later will not. */
  spare(): void {
    this.#lastCall = undefined;
  }

  /** Asked once for each call to the outside: what becomes of it. */
  noteCall(): 'Goes on' | 'Killed before' | 'Killed after' {
    if (!this.#isAlive) return 'Killed before';
    if (this.#callsAtMs !== this.#time.nowMs) this.#calls = 0;
    this.#callsAtMs = this.#time.nowMs;
    if (++this.#calls > MAX_CALLS_IN_AN_INSTANT) {
      this.#onRestless();
      return 'Killed before';
    }
    const last = this.#lastCall;
    if (last === undefined || last.callsLeft-- > 0) return 'Goes on';
    this.#lastCall = undefined;
    return last.isDone ? 'Killed after' : 'Killed before';
  }
}

/** The answer to a process that died meanwhile. */
export function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}
