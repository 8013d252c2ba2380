// May it be done once more? So many at once, and then one every so often.
export interface BucketSize {
  readonly burst: number;
  /** Until one more is allowed. */
  readonly refillMs: number;
}

export class TokenBucket {
  readonly #size: BucketSize;
  #tokens: number;
  #atMs: number;

  constructor(size: BucketSize, nowMs: number) {
    this.#size = size;
    this.#tokens = size.burst;
    this.#atMs = nowMs;
  }

  /** False when there is none to take. */
  take(nowMs: number): boolean {
    this.#refill(nowMs);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** As if nothing had ever been taken. */
  isFull(nowMs: number): boolean {
    this.#refill(nowMs);
    return this.#tokens === this.#size.burst;
  }

  /** A clock that is set back refills nothing. */
  #refill(nowMs: number): void {
    const { burst, refillMs } = this.#size;
    this.#tokens = Math.min(burst, this.#tokens + Math.max(nowMs - this.#atMs, 0) / refillMs);
    this.#atMs = nowMs;
  }
}
