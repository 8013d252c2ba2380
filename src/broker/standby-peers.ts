// Who is the broker of a declared peer, for a replica that keeps no facts of its own? Asked of SPIRE when one shows up.
import type { Bundle } from '../bundle/bundle.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { storedAlike } from '../federation/acceptance.ts';
import type { Clock } from '../federation/clock.ts';
import { peerBrokerOf, type PeerBroker, type PeerBrokers } from '../federation/peer-broker.ts';
import type { SpireServer } from '../federation/ports.ts';
import type { Peer } from '../federation/relationship.ts';
import { brieflyRemembered } from './brief-memory.ts';

export interface StandbyPeersParts {
  readonly spire: Pick<SpireServer, 'getFederatedBundle'>;
  readonly clock: Clock;
  readonly peers: () => readonly Peer[];
  readonly readBootstrap: (peer: Peer) => Promise<Bundle | undefined>;
}

/** A thousand peers that all hold a request here ask SPIRE 33 times a second. */
const KEEP_MS = 30_000;

export class StandbyPeers implements Pick<PeerBrokers, 'find'> {
  readonly #parts: StandbyPeersParts;
  readonly #read: (trustDomain: TrustDomain) => Promise<PeerBroker | undefined>;
  /** A bundle that says the same stays the same value: what was verified by it need not be again. */
  readonly #held = new Map<TrustDomain, Bundle>();

  constructor(parts: StandbyPeersParts) {
    this.#parts = parts;
    this.#read = brieflyRemembered(parts.clock, KEEP_MS, (trustDomain) => this.#readAnew(trustDomain));
  }

  async find(trustDomain: TrustDomain): Promise<PeerBroker | undefined> {
    if (this.#declared(trustDomain) !== undefined) return this.#read(trustDomain);
    this.#held.delete(trustDomain);
    return undefined;
  }

  async #readAnew(trustDomain: TrustDomain): Promise<PeerBroker | undefined> {
    const peer = this.#declared(trustDomain);
    if (peer === undefined) return undefined;
    const { spire, readBootstrap } = this.#parts;
    const before = this.#held.get(trustDomain);
    const now = await spire.getFederatedBundle(trustDomain);
    const held = before !== undefined && now !== undefined && storedAlike(before, now) ? before : now;
    if (held === undefined) this.#held.delete(trustDomain);
    else this.#held.set(trustDomain, held);
    return peerBrokerOf(peer, { held, fetched: undefined, readBootstrap: () => readBootstrap(peer) });
  }

  #declared(trustDomain: TrustDomain): Peer | undefined {
    return this.#parts.peers().find((peer) => peer.trustDomain === trustDomain);
  }
}
