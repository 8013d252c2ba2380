// What does a running broker offer to its pages and signals, wherever its peers are declared?
import type { LiveStatus } from '../broker/status.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { PeerBrokers, PeerHoldings } from '../federation/peer-broker.ts';

export interface Replica {
  /** Resolves when everything runs. */
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
  readonly status: () => LiveStatus;
  /** Why declarations are not in force, as plain data; undefined before they were read for the first time. */
  readonly declarationFaults: () => readonly object[] | undefined;
  /** What only this kind of replica knows, for /status. */
  readonly details: () => Readonly<Record<string, unknown>>;
  /** Asks the peer at once, whatever its schedule says. */
  readonly refresh: (peer: TrustDomain) => void;
  readonly refreshAll: () => void;
  /** Who may tell our endpoint which bundle it holds, and where that is noted. */
  readonly peerBrokers: PeerBrokers & PeerHoldings;
}
