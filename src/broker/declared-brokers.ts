// Who speaks for the declared peers when they ask our endpoint, and what have they told of what they hold?
import type { Bundle } from '../bundle/bundle.ts';
import { BundleError } from '../bundle/bundle-error.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Acknowledgement } from '../federation/acknowledgement.ts';
import type { Clock } from '../federation/clock.ts';
import { declaredPeer } from '../federation/declared-peer.ts';
import { peerBrokerOf, type PeerBroker, type PeerBrokers, type PeerHoldings } from '../federation/peer-broker.ts';
import type { BrokerParts } from './broker-parts.ts';
import { brieflyRemembered } from './brief-memory.ts';
import type { FactBoard } from './fact-board.ts';

/** A declared bundle is read for every client that names a peer of which nothing is held. */
const KEEP_BOOTSTRAP_MS = 5_000;

export class DeclaredBrokers implements PeerBrokers, PeerHoldings {
  readonly #board: FactBoard;
  readonly #bootstrapOf: (trustDomain: TrustDomain) => Promise<Bundle | undefined>;

  constructor(board: FactBoard, clock: Clock, readBootstrap: BrokerParts['readBootstrap']) {
    this.#board = board;
    this.#bootstrapOf = brieflyRemembered(clock, KEEP_BOOTSTRAP_MS, async (trustDomain) => {
      const peer = declaredPeer(board.fact('declared'), trustDomain);
      return peer && readBootstrap(peer);
    });
  }

  async find(trustDomain: TrustDomain): Promise<PeerBroker | undefined> {
    const peer = declaredPeer(this.#board.fact('declared'), trustDomain);
    if (peer === undefined) return undefined;
    const content = this.#board.fetchOf(trustDomain)?.document?.content;
    return peerBrokerOf(peer, {
      held: this.#board.heldBundle(trustDomain),
      fetched: content === undefined || content instanceof BundleError ? undefined : content.bundle,
      readBootstrap: () => this.#bootstrapOf(trustDomain),
    });
  }

  noteAcknowledged(acknowledgement: Acknowledgement): void {
    this.#board.noteAcknowledged(acknowledgement);
  }

  acknowledged(): readonly Acknowledgement[] {
    const declared = this.#board.fact('declared');
    return [...this.#board.acknowledgements.values()].filter(
      ({ trustDomain }) => declaredPeer(declared, trustDomain)?.suspend !== 'Revoke',
    );
  }
}
