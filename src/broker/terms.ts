// Which replica works, and how? One broker a term: made when we lead, stopped when we no longer do.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Acknowledgement } from '../federation/acknowledgement.ts';
import { untilAborted, type Clock } from '../federation/clock.ts';
import type { PeerBroker, PeerBrokers } from '../federation/peer-broker.ts';
import type { Broker } from './broker.ts';
import { repeat } from './repeat.ts';
import type { Standby } from './standby.ts';
import type { LiveStatus } from './status.ts';

/**
 * `Isolated`: we led until the API server was out of reach, and nobody else has been seen to lead. What is federated is
 * kept up to date, nothing is begun or ended: our declarations may be old.
 */
export type Role = 'Leader' | 'Isolated' | 'Standby';

export interface WorkingBroker extends Pick<Broker, 'stop' | 'status' | 'refresh' | 'refreshAll'>, PeerBrokers {
  /** The signal: of its term. */
  readonly start: (signal: AbortSignal) => Promise<void>;
}

type Lead = (term: AbortSignal, isHeld: () => boolean) => Promise<void>;

export interface TermsParts {
  /** Runs `lead` each time we lead, until the signal given to it aborts; ends when `signal` does. */
  readonly elect: (lead: Lead, signal: AbortSignal) => Promise<void>;
  /** `mayWrite` is asked before each write. */
  readonly makeBroker: (role: Exclude<Role, 'Standby'>, mayWrite: () => boolean) => WorkingBroker;
  readonly standby: Pick<Standby, 'look' | 'status'>;
  /** The brokers of peers while we stand by. */
  readonly standbyPeers: Pick<PeerBrokers, 'find'>;
  readonly clock: Clock;
  readonly ownBundlePollMs: number;
  readonly onRole: (role: Role) => void;
}

interface Isolation {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

export class Terms implements PeerBrokers {
  readonly #parts: TermsParts;
  #broker: WorkingBroker | undefined;
  #role: Role = 'Standby';
  /** Also before the broker of the term is there. */
  #leads = false;
  /** The Lease was out of reach in this term, and nobody else has been seen to lead since. */
  #lostSight = false;
  #isolation: Isolation | undefined;

  constructor(parts: TermsParts) {
    this.#parts = parts;
  }

  get role(): Role {
    return this.#role;
  }

  /** Until the signal aborts; the running term ends in order. */
  async run(signal: AbortSignal): Promise<void> {
    const { elect, standby, clock, ownBundlePollMs } = this.#parts;
    const watching = repeat({ clock, intervalMs: ownBundlePollMs, signal }, async () => {
      // The broker of a term follows it itself.
      if (this.#broker === undefined) await standby.look(signal);
    });
    try {
      await elect((term, isHeld) => this.#lead(term, isHeld, signal), signal);
    } finally {
      await this.#endIsolation();
      await watching;
    }
  }

  /** The Lease could not be read or written. */
  noteLeaseFailure(): void {
    this.#lostSight = true;
  }

  /** The API server answers again, and another replica leads. */
  noteOtherLeader(): void {
    this.#lostSight = false;
    this.#isolation?.stop.abort();
  }

  status(): LiveStatus {
    return (this.#broker ?? this.#parts.standby).status();
  }

  refresh(trustDomain: TrustDomain): void {
    this.#broker?.refresh(trustDomain);
  }

  refreshAll(): void {
    this.#broker?.refreshAll();
  }

  find(trustDomain: TrustDomain): Promise<PeerBroker | undefined> {
    return (this.#broker ?? this.#parts.standbyPeers).find(trustDomain);
  }

  noteAcknowledged(acknowledgement: Acknowledgement): void {
    this.#broker?.noteAcknowledged(acknowledgement);
  }

  async #lead(term: AbortSignal, isHeld: () => boolean, signal: AbortSignal): Promise<void> {
    this.#leads = true;
    await this.#endIsolation();
    await this.#work('Leader', term, isHeld);
    this.#leads = false;
    // A term that ends while the Lease can be read was taken over.
    if (signal.aborted || !this.#lostSight) {
      this.#become('Standby', undefined);
      return;
    }
    const stop = new AbortController();
    this.#isolation = { stop, ended: this.#goOnAlone(AbortSignal.any([stop.signal, signal])) };
  }

  async #goOnAlone(signal: AbortSignal): Promise<void> {
    await this.#work('Isolated', signal, () => true);
    if (!this.#leads) this.#become('Standby', undefined);
  }

  async #endIsolation(): Promise<void> {
    this.#isolation?.stop.abort();
    await this.#isolation?.ended;
    this.#isolation = undefined;
  }

  async #work(role: Exclude<Role, 'Standby'>, signal: AbortSignal, mayWrite: () => boolean): Promise<void> {
    this.#lostSight = false;
    const broker = this.#parts.makeBroker(role, mayWrite);
    this.#become(role, broker);
    try {
      await broker.start(signal);
      await untilAborted(signal);
    } finally {
      await broker.stop();
    }
  }

  #become(role: Role, broker: WorkingBroker | undefined): void {
    this.#role = role;
    this.#broker = broker;
    this.#parts.onRole(role);
  }
}
