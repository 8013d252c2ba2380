// When are entries read again because spire-controller-manager is about to change them? Their number stays the same.
import type { Clock } from '../federation/clock.ts';
import type { PassReport } from './pass.ts';

/** It follows a changed ClusterSPIFFEID at once, or with its next round (gcInterval, 10 s by default). */
const FOLLOWED_MS = 60_000;

export class EntryFollower {
  readonly #clock: Clock;
  #followUntilMs = -Infinity;
  #removalWaits = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  notePass({ plan }: Pick<PassReport, 'plan'>): void {
    this.#removalWaits = plan.waitingRemovals.some(({ reason }) => reason === 'EntriesNameIt');
    if (plan.steps.some(({ kind }) => kind === 'UpdateClusterSpiffeIds')) {
      this.#followUntilMs = this.#clock.now().getTime() + FOLLOWED_MS;
    }
  }

  /** Reads them, if they are expected to change. */
  async tick(readEntries: () => Promise<void>): Promise<void> {
    if (this.#removalWaits || this.#clock.now().getTime() < this.#followUntilMs) await readEntries();
  }
}
