// What does a replica know that does not lead? Our own bundle, which its endpoint serves all the same.
import type { Bundle } from '../bundle/bundle.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Clock } from '../federation/clock.ts';
import type { SpireServer } from '../federation/ports.ts';
import { Exclusive } from './exclusive.ts';
import { FactBoard } from './fact-board.ts';
import { SpireGatherer } from './gather-spire.ts';
import { standbyStatus, type LiveStatus } from './status.ts';

export interface StandbyParts {
  readonly trustDomain: TrustDomain;
  readonly spire: SpireServer;
  readonly clock: Clock;
  /** Who leads; undefined: not known, as where it is absent. */
  readonly leader?: () => string | undefined;
  /** Our own bundle was read for the first time, or changed. */
  readonly onOwnBundle: (bundle: Bundle) => void;
}

export class Standby {
  readonly #parts: StandbyParts;
  readonly #board: FactBoard;
  readonly #gatherer: SpireGatherer;

  constructor(parts: StandbyParts) {
    this.#parts = parts;
    this.#board = new FactBoard(parts.clock, {
      changed: () => {
        const ownBundle = this.#board.fact('ownBundle');
        if (ownBundle.state === 'Known') parts.onOwnBundle(ownBundle.value);
      },
      bundleReplaced: () => undefined,
    });
    this.#gatherer = new SpireGatherer(parts.spire, this.#board, parts.clock, new Exclusive());
  }

  look(signal: AbortSignal): Promise<void> {
    return this.#gatherer.readOwnBundle(signal);
  }

  status(): LiveStatus {
    return standbyStatus(this.#parts.trustDomain, this.#board.snapshot(), this.#parts.leader?.());
  }
}
