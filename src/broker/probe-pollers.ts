// Does SPIRE poll a peer by its configuration file? Its API lists no such relationship; only a refresh finds it.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Clock } from '../federation/clock.ts';
import type { SpireServer } from '../federation/ports.ts';
import type { Peer } from '../federation/relationship.ts';
import { codedError } from './coded.ts';
import type { FactBoard } from './fact-board.ts';

/** The configuration file changes only with a restart of SPIRE, so a rare question is enough. */
const PROBE_EVERY_MS = 10 * 60_000;

/** A tick asks at most this many, so that a thousand peers do not come at once. */
const PROBES_PER_TICK = 100;

export class PollerProbe {
  readonly #spire: SpireServer;
  readonly #board: FactBoard;
  readonly #clock: Clock;
  readonly #probedAtMs = new Map<TrustDomain, number>();

  constructor(spire: SpireServer, board: FactBoard, clock: Clock) {
    this.#spire = spire;
    this.#board = board;
    this.#clock = clock;
  }

  /** Asks about the peers whose answer is missing or old. With a relationship of the API the answer says nothing. */
  async tick(signal: AbortSignal): Promise<void> {
    const [declared, relationships] = [this.#board.fact('declared'), this.#board.fact('relationships')];
    if (declared.state === 'Unreadable' || relationships.state === 'Unreadable') return;
    for (const trustDomain of relationships.value.keys()) {
      this.#probedAtMs.delete(trustDomain);
      this.#board.noteStaticPoller(trustDomain, undefined);
    }
    const own = declared.value.peers.filter(
      ({ mode, suspend, trustDomain }) =>
        mode === 'Own' && suspend === 'Active' && !relationships.value.has(trustDomain),
    );
    const nowMs = this.#clock.now().getTime();
    const due = own.filter(
      ({ trustDomain }) => nowMs - (this.#probedAtMs.get(trustDomain) ?? -Infinity) >= PROBE_EVERY_MS,
    );
    // Together: each answer asks for a pass, and one by one a thousand new peers would cost a thousand passes.
    await Promise.all(due.slice(0, PROBES_PER_TICK).map((peer) => this.#probe(peer, signal)));
  }

  async #probe({ trustDomain }: Peer, signal: AbortSignal): Promise<void> {
    this.#probedAtMs.set(trustDomain, this.#clock.now().getTime());
    try {
      const answer = await this.#spire.refreshBundle(trustDomain, signal);
      this.#board.noteStaticPoller(trustDomain, answer === 'Refreshed' ? 'Present' : 'Absent');
    } catch (error) {
      const { code } = codedError(error);
      // SPIRE tried to fetch and failed: it has a relationship all the same.
      if (code === 'SpireInternal') this.#board.noteStaticPoller(trustDomain, 'Present');
      // A poller of SPIRE that hangs on some other peer answers no refresh at all (measured on SPIRE 1.15.3); that
      // must not keep this peer from being served.
      else if (code === 'SpireDeadlineExceeded') this.#board.noteStaticPoller(trustDomain, 'Absent');
      else this.#probedAtMs.delete(trustDomain);
    }
  }
}
