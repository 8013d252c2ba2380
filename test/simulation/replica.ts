// Of what is a simulated broker made? The product's own Broker, alone or as one of those that elect a leader, in a process.
import type { BrokerSettings } from '../../src/broker/broker-parts.ts';
import { Broker } from '../../src/broker/broker.ts';
import { Standby } from '../../src/broker/standby.ts';
import type { RotationParts } from '../../src/broker/rotation-keeper.ts';
import type { LiveStatus } from '../../src/broker/status.ts';
import { Terms, type Role } from '../../src/broker/terms.ts';
import { BUNDLE_DOCUMENT_LIMITS } from '../../src/bundle/bundle-document.ts';
import { fingerprint, type Bundle, type X509Authority } from '../../src/bundle/bundle.ts';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import { boundHeldRequests } from '../../src/bundle-endpoint/bound-held-requests.ts';
import { paceFetches } from '../../src/bundle-endpoint/pace-fetches.ts';
import { repeat } from '../../src/broker/repeat.ts';
import { isRootMissed, type Acknowledgement } from '../../src/federation/acknowledgement.ts';
import type { PeerBroker, PeerBrokers } from '../../src/federation/peer-broker.ts';
import type { Declarations } from '../../src/federation/facts.ts';
import type { BundleSource, SpireServer } from '../../src/federation/ports.ts';
import { electionTimes, runElection } from '../../src/kubernetes/election.ts';
import type { LeaseModel } from './lease-model.ts';
import type { DeclaredOrNot, Operator } from './operator.ts';
import type { Process } from './process.ts';
import type { Chance } from './random.ts';
import type { SeenOfSpire } from './spire-link.ts';

export const SIMULATED_SETTINGS: BrokerSettings = {
  refresh: { minSeconds: 5, maxSeconds: 40, defaultSeconds: 20, jitter: 0.1 },
  plan: { maxRoots: 8 },
  longPollSeconds: undefined,
  documentLimits: BUNDLE_DOCUMENT_LIMITS,
  ownBundlePollMs: 4_000,
  storedPollMs: 10_000,
  entryCountPollMs: 10_000,
};

const SWEEP_MS = 60_000;
const FETCH_PACE = { perSecond: 50, burst: 25, underWay: 32 };
const LEASE_MS = 30_000;

export interface ReplicaParts {
  readonly trustDomain: TrustDomain;
  readonly process: Process;
  readonly chance: Chance;
  readonly spire: SpireServer;
  readonly source: BundleSource;
  readonly operator: Operator;
  readonly seen: SeenOfSpire;
  /** Undefined: it is the only one, as with declarations in files. */
  readonly lease: LeaseModel | undefined;
  readonly longPollSeconds: number | undefined;
  /** Undefined: no rotation is led here, and nobody looks at the authorities. */
  readonly rotation: RotationParts | undefined;
  readonly publish: (bundle: Bundle) => void;
  readonly onFault: (error: Error) => void;
  readonly onRole: (role: Role) => void;
}

export class Replica implements PeerBrokers {
  readonly #parts: ReplicaParts;
  readonly #end = new AbortController();
  #broker: Broker | undefined;
  #terms: Terms | undefined;
  /** What it was told last that could be read. */
  #told: Declarations | undefined;
  #toldInFull: Declarations | undefined;
  #role: Role = 'Standby';
  #mayWrite: () => boolean = () => true;
  /** When each endpoint last answered it. */
  readonly answeredAtMs = new Map<string, number>();

  constructor(parts: ReplicaParts) {
    this.#parts = parts;
  }

  get trustDomain(): TrustDomain {
    return this.#parts.trustDomain;
  }

  get process(): Process {
    return this.#parts.process;
  }

  get seen(): SeenOfSpire {
    return this.#parts.seen;
  }

  get told(): Declarations | undefined {
    return this.#told;
  }

  /** The last of them that was complete. */
  get toldInFull(): Declarations | undefined {
    return this.#toldInFull;
  }

  get role(): Role {
    return this.#role;
  }

  get lease(): LeaseModel | undefined {
    return this.#parts.lease;
  }

  get mayWrite(): boolean {
    return this.#mayWrite();
  }

  find(trustDomain: TrustDomain): Promise<PeerBroker | undefined> {
    return (this.#terms ?? this.#broker)?.find(trustDomain) ?? Promise.resolve(undefined);
  }

  noteAcknowledged(acknowledgement: Acknowledgement): void {
    (this.#terms ?? this.#broker)?.noteAcknowledged(acknowledgement);
  }

  /** Whether a peer has told that it lacks this root of ours. */
  isRootMissed(root: X509Authority): boolean {
    return this.#role !== 'Standby' && isRootMissed(fingerprint(root), this.#broker?.acknowledged() ?? []);
  }

  status(): LiveStatus | undefined {
    return (this.#terms ?? this.#broker)?.status();
  }

  start(): void {
    const { lease, onFault } = this.#parts;
    if (lease === undefined) this.#becomeOnly();
    else this.#runTerms(lease).catch(onFault);
  }

  /** Ends in order, as at SIGTERM. */
  async stop(): Promise<void> {
    this.#end.abort();
    await this.#broker?.stop();
  }

  #becomeOnly(): void {
    this.#role = 'Leader';
    this.#broker = this.#makeBroker('Leader', () => true);
    this.#broker.start().catch(this.#parts.onFault);
  }

  #runTerms(lease: LeaseModel): Promise<void> {
    const { process, chance, trustDomain, spire, publish, onRole } = this.#parts;
    const { clock, name: identity } = process;
    const terms: Terms = new Terms({
      elect: (lead, signal) =>
        runElection(
          {
            ...{ api: lease.apiOf(process), clock, random: chance.next, identity },
            ...{ name: 'broker', namespace: 'spire', ownTrustDomain: trustDomain, times: electionTimes(LEASE_MS) },
            onLeader: (leader) => {
              if (leader !== undefined && leader !== identity) terms.noteOtherLeader();
            },
            onError: () => {
              terms.noteLeaseFailure();
            },
          },
          lead,
          signal,
        ),
      makeBroker: (role, mayWrite) => (this.#broker = this.#makeBroker(role, mayWrite)),
      standby: new Standby({ trustDomain, spire, clock, onOwnBundle: publish }),
      standbyPeers: { find: () => Promise.resolve(undefined) },
      clock,
      ownBundlePollMs: SIMULATED_SETTINGS.ownBundlePollMs,
      onRole: (role) => {
        this.#role = role;
        onRole(role);
      },
    });
    this.#terms = terms;
    return this.#terms.run(this.#end.signal);
  }

  #makeBroker(role: Exclude<Role, 'Standby'>, mayWrite: () => boolean): Broker {
    const { process, chance, trustDomain, spire, source, operator, publish, onFault } = this.#parts;
    const { longPollSeconds, rotation } = this.#parts;
    const { clock } = process;
    this.#mayWrite = mayWrite;
    return new Broker({
      trustDomain,
      spire,
      source: boundHeldRequests(paceFetches(source, FETCH_PACE, clock), 2),
      peers: operator.sourceFor(process, (declared) => {
        this.#noteTold(declared);
      }),
      readBootstrap: (peer) => Promise.resolve(operator.readBootstrap(peer.trustDomain)),
      settings: { ...SIMULATED_SETTINGS, longPollSeconds },
      observer: {
        ownBundle: publish,
        fetched: () => undefined,
        passEnded: () => undefined,
        meshLooked: () => undefined,
        rotationLooked: () => undefined,
        passFailed: onFault,
      },
      ...(rotation !== undefined && { rotation }),
      scheduleSweeps: (sweep, signal) => void repeat({ clock, intervalMs: SWEEP_MS, signal }, sweep),
      isUpkeepOnly: () => role === 'Isolated',
      mayWrite,
      clock,
      random: chance.next,
    });
  }

  #noteTold(declared: DeclaredOrNot): void {
    if (declared instanceof Error) return;
    this.#told = declared;
    if (declared.incompleteBecause === undefined) this.#toldInFull = declared;
  }
}
