// What does the operator of a simulated trust domain declare, and when do its brokers learn of it?
import type { Bundle } from '../../src/bundle/bundle.ts';
import { parseSpiffeId } from '../../src/bundle/spiffe-id.ts';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import { untilAborted } from '../../src/federation/clock.ts';
import type { Declarations } from '../../src/federation/facts.ts';
import type { CodedError, PeerSource } from '../../src/federation/ports.ts';
import type { Peer } from '../../src/federation/relationship.ts';
import { peerOf } from '../federation/samples.ts';
import type { Process } from './process.ts';

export type DeclaredOrNot = Declarations | CodedError;

/** What it says is kept aside. */
const DECLARED = { type: 'file', path: '/bootstrap' } as const;

export class Operator {
  readonly #trustDomain: TrustDomain;
  readonly #peers = new Map<TrustDomain, Peer>();
  readonly #bootstraps = new Map<TrustDomain, Bundle>();
  readonly #listeners = new Set<() => void>();
  #bootstrapsMade = 0;
  #fault: 'None' | 'Incomplete' | 'Unreadable' = 'None';
  #told: ReadonlySet<TrustDomain> = new Set();

  constructor(trustDomain: TrustDomain) {
    this.#trustDomain = trustDomain;
  }

  get peers(): ReadonlyMap<TrustDomain, Peer> {
    return this.#peers;
  }

  /** Whether it was declared when the declarations could be read last: more nobody can know. */
  hasTold(trustDomain: TrustDomain): boolean {
    return this.#told.has(trustDomain);
  }

  /** `bootstrap`: what the operators of the peer gave for the first contact. */
  declare(trustDomain: TrustDomain, bootstrap: Bundle | undefined, changes: Partial<Peer> = {}): void {
    const spiffeIdPattern = `spiffe://${this.#trustDomain}/pay/**`;
    const selector = { spiffeIdPattern, parentIdPattern: undefined, selectors: [], hint: undefined };
    if (bootstrap !== undefined) this.#bootstraps.set(trustDomain, bootstrap);
    this.#peers.set(trustDomain, peerOf(trustDomain, { entrySelectors: [selector], bootstrap: DECLARED, ...changes }));
    this.#tell();
  }

  change(trustDomain: TrustDomain, changes: Partial<Peer>): void {
    const peer = this.#peers.get(trustDomain);
    if (peer === undefined) return;
    this.#peers.set(trustDomain, { ...peer, ...changes });
    this.#tell();
  }

  withdraw(trustDomain: TrustDomain): void {
    this.#peers.delete(trustDomain);
    this.#tell();
  }

  /** From now on the declaration has this bundle for the first contact. */
  bootstrap(trustDomain: TrustDomain, bundle: Bundle): void {
    this.#bootstraps.set(trustDomain, bundle);
    // Where SPIRE fetches itself, the declared bundle is read again when the declaration is another.
    if (this.#peers.get(trustDomain)?.mode !== 'Delegate') return;
    this.change(trustDomain, { bootstrap: { ...DECLARED, path: `/bootstrap-${++this.#bootstrapsMade}` } });
  }

  /** The declarations themselves stay what they are; they can be read in part, or not at all. */
  spoil(fault: 'None' | 'Incomplete' | 'Unreadable'): void {
    this.#fault = fault;
    this.#tell();
  }

  readBootstrap(trustDomain: TrustDomain): Bundle | undefined {
    return this.#bootstraps.get(trustDomain);
  }

  /** As one process reads them. */
  sourceFor(process: Process, told: (declared: DeclaredOrNot) => void): PeerSource {
    return {
      watch: async (report, signal) => {
        const listener = () => {
          process.reach(() => {
            const declared = this.#declared();
            told(declared);
            report(declared);
          });
        };
        this.#listeners.add(listener);
        listener();
        await untilAborted(signal);
        this.#listeners.delete(listener);
      },
    };
  }

  #declared(): DeclaredOrNot {
    if (this.#fault === 'Unreadable') {
      return Object.assign(new Error('the folder is gone'), { code: 'PeersDirectoryUnreadable' });
    }
    const peers = [...this.#peers.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    if (this.#fault === 'None') return { peers, incompleteBecause: undefined };
    return { peers: peers.slice(1), incompleteBecause: 'a file has faults' };
  }

  #tell(): void {
    if (this.#fault === 'None') this.#told = new Set(this.#peers.keys());
    for (const listener of this.#listeners) listener();
  }
}

export function brokerIdOf(trustDomain: TrustDomain) {
  return parseSpiffeId(`spiffe://${trustDomain}/federation-broker`);
}
