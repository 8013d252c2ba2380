// Which authorities sign for us, which comes next, and who holds them? Looked at again and again while the broker runs.
import type { Bundle } from '../bundle/bundle.ts';
import type { Clock } from '../federation/clock.ts';
import { known, unreadable, type Facts, type LocalAuthorityStates } from '../federation/facts.ts';
import type { LocalAuthorities } from '../federation/local-authority.ts';
import { codedError } from './coded.ts';
import type { FactBoard } from './fact-board.ts';
import { repeat } from './repeat.ts';
import { rotationStatus, type RotationStatus } from './rotation-status.ts';

export interface RotationParts {
  readonly authorities: LocalAuthorities;
  /** What our bundle endpoint publishes. */
  readonly refreshHintSeconds: number;
}

export interface RotationObserver {
  /** The authorities that sign for us were looked at. */
  rotationLooked(status: RotationStatus): void;
}

/** How often it is looked whether SPIRE is to be asked. */
const TICK_MS = 1_000;

/** While nothing is prepared. An activation changes nothing in the bundle, so that only asking tells. */
const IDLE_POLL_MS = 5_000;

export class RotationKeeper {
  readonly #parts: RotationParts;
  readonly #observer: RotationObserver;
  readonly #board: FactBoard;
  readonly #clock: Clock;
  readonly #listeningSince: Date;
  readonly #seenSince = new Map<string, Date>();
  #askedAt: Date | undefined;
  #askedFor: Bundle | undefined;
  #isPrepared = false;

  constructor(parts: RotationParts, observer: RotationObserver, board: FactBoard, clock: Clock) {
    this.#parts = parts;
    this.#observer = observer;
    this.#board = board;
    this.#clock = clock;
    this.#listeningSince = clock.now();
  }

  /** Until the signal aborts. */
  run(signal: AbortSignal): Promise<void> {
    return repeat({ clock: this.#clock, intervalMs: TICK_MS, signal }, async () => {
      if (!(await this.#tick(signal)) || signal.aborted) return;
      this.#observer.rotationLooked(this.status(this.#board.snapshot()));
    });
  }

  status(facts: Facts): RotationStatus {
    const { refreshHintSeconds } = this.#parts;
    return rotationStatus(facts, {
      refreshHintSeconds,
      seenSince: this.#seenSince,
      listeningSince: this.#listeningSince,
    });
  }

  /** Asks at each call while an authority is prepared or our bundle changed, else every few seconds; false: not asked. */
  async #tick(signal: AbortSignal): Promise<boolean> {
    const now = this.#clock.now();
    const ownBundle = this.#board.fact('ownBundle');
    const bundle = ownBundle.state === 'Known' ? ownBundle.value : undefined;
    const waitedMs = this.#askedAt === undefined ? Infinity : now.getTime() - this.#askedAt.getTime();
    if (!this.#isPrepared && bundle === this.#askedFor && waitedMs < IDLE_POLL_MS) return false;
    this.#askedAt = now;
    this.#askedFor = bundle;
    try {
      const [x509, jwt] = await Promise.all([
        this.#parts.authorities.x509.state(signal),
        this.#parts.authorities.jwt.state(signal),
      ]);
      this.#note({ x509, jwt });
    } catch (error) {
      this.#board.replaceOptional('localAuthorities', unreadable(codedError(error), this.#clock.now()));
    }
    return true;
  }

  #note(states: LocalAuthorityStates): void {
    const now = this.#clock.now();
    const ids = [states.x509, states.jwt].flatMap(({ active, prepared, old }) =>
      [active, prepared, old].flatMap((authority) => (authority === undefined ? [] : [authority.id])),
    );
    for (const id of this.#seenSince.keys()) if (!ids.includes(id)) this.#seenSince.delete(id);
    for (const id of ids) if (!this.#seenSince.has(id)) this.#seenSince.set(id, now);
    this.#isPrepared = states.x509.prepared !== undefined || states.jwt.prepared !== undefined;
    this.#board.replaceOptional('localAuthorities', known(states, now));
  }
}
