// Which peers do the PeerTrustDomain objects declare, now and after each change? For the life of the process.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Clock } from '../federation/clock.ts';
import type { Declarations } from '../federation/facts.ts';
import type { PeerSource } from '../federation/ports.ts';
import type { ApiServer } from './api-server.ts';
import { readBootstrapObject, type ObjectSource } from './bootstrap-object.ts';
import type { DeclaredObject } from './declared-object.ts';
import { judgeObjects, NO_MEMORY, type ObjectMemory } from './judge-objects.ts';
import { KubeError } from './kube-error.ts';
import { PEER_TRUST_DOMAIN } from './peer-trust-domain.ts';
import { Reflector, type Objects } from './reflector.ts';

export interface PeerResourcesOptions {
  readonly api: Pick<ApiServer, 'get' | 'list' | 'watch'>;
  readonly clock: Clock;
  /** 0 ≤ random < 1. */
  readonly random: () => number;
  /** Cannot be declared as a peer; entry patterns must be in it. */
  readonly ownTrustDomain: TrustDomain;
  /** The objects cannot be read; undefined: they are read again. */
  readonly onReading: (error: KubeError | undefined) => void;
  /** A watcher threw; it is told again with the next change. */
  readonly onFault: (error: unknown) => void;
}

type PeerReport = (declared: Declarations | KubeError) => void;
type ObjectReport = (objects: readonly DeclaredObject[]) => void;

export class PeerResources implements PeerSource {
  readonly #options: PeerResourcesOptions;
  readonly #reflector: Reflector;
  readonly #peerReports = new Set<PeerReport>();
  readonly #objectReports = new Set<ObjectReport>();
  #memory: ObjectMemory = NO_MEMORY;
  #objects: readonly DeclaredObject[] = [];
  #declarations: Declarations | undefined;
  #error: KubeError | undefined;

  constructor(options: PeerResourcesOptions) {
    const { api, clock, random, onFault } = options;
    this.#options = options;
    this.#reflector = new Reflector(
      { resource: PEER_TRUST_DOMAIN },
      {
        api,
        clock,
        random,
        report: (what) => {
          if (what instanceof KubeError) this.#noteError(what);
          else this.#noteObjects(what);
        },
        onHandlerFault: onFault,
      },
    );
  }

  /** When the API server last told what there is, by a list, an event or a bookmark. Undefined: never yet. */
  get readSince(): Date | undefined {
    return this.#reflector.lastEventAt;
  }

  /** Why the objects cannot be read now: those read before may be out of date. */
  get error(): KubeError | undefined {
    return this.#error;
  }

  /** As they were last read, in the order of their age. */
  objects(): readonly DeclaredObject[] {
    return this.#objects;
  }

  /** Reads the objects until the signal aborts; never rejects. Once a process. */
  run(signal: AbortSignal): Promise<void> {
    return this.#reflector.run(signal);
  }

  /** Resolves when the objects were read by a list that began after this call, or when the signal aborts. */
  readAnew(signal: AbortSignal): Promise<void> {
    return this.#reflector.readAnew(signal);
  }

  async watch(report: PeerReport, signal: AbortSignal): Promise<void> {
    const latest = this.#declarations ?? this.#error;
    await this.#subscribe(this.#peerReports, report, latest, signal);
  }

  /** Reports the objects with what is judged of them, now if they were read, and at every change of any of them. */
  async watchObjects(report: ObjectReport, signal: AbortSignal): Promise<void> {
    const latest = this.#declarations === undefined ? undefined : this.#objects;
    await this.#subscribe(this.#objectReports, report, latest, signal);
  }

  /**
   * The content of a ConfigMap's or Secret's key, read now.
   *
   * @throws KubeError which names what to create or to grant
   */
  readBootstrap(source: ObjectSource, signal?: AbortSignal): Promise<Uint8Array> {
    return readBootstrapObject(this.#options.api, source, signal);
  }

  #noteError(error: KubeError): void {
    this.#error = error;
    this.#options.onReading(error);
    if (this.#declarations === undefined) this.#tell(this.#peerReports, error);
  }

  #noteObjects(objects: Objects): void {
    const judgement = judgeObjects(objects.values(), this.#memory, this.#options.ownTrustDomain);
    if (this.#error !== undefined) this.#options.onReading(undefined);
    this.#error = undefined;
    this.#memory = judgement.memory;
    this.#objects = judgement.objects;
    const isSame = this.#declarations !== undefined && sameDeclarations(this.#declarations, judgement.declarations);
    if (!isSame) this.#declarations = judgement.declarations;
    this.#tell(this.#objectReports, this.#objects);
    if (!isSame) this.#tell(this.#peerReports, judgement.declarations);
  }

  #tell<T>(reports: ReadonlySet<(what: T) => void>, what: T): void {
    for (const report of reports) this.#tellOne(report, what);
  }

  #tellOne<T>(report: (what: T) => void, what: T): void {
    try {
      report(what);
    } catch (error) {
      this.#options.onFault(error);
    }
  }

  /** Resolves when the signal aborts. */
  #subscribe<T>(
    reports: Set<(what: T) => void>,
    report: (what: T) => void,
    latest: T | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    // The same function twice is two watchers.
    const own = (what: T) => {
      report(what);
    };
    reports.add(own);
    if (latest !== undefined) this.#tellOne(own, latest);
    return new Promise((resolve) => {
      const end = () => {
        reports.delete(own);
        resolve();
      };
      if (signal.aborted) end();
      else signal.addEventListener('abort', end, { once: true });
    });
  }
}

/** Peers are the same values while their objects say the same. */
function sameDeclarations(a: Declarations, b: Declarations): boolean {
  const samePeers = a.peers.length === b.peers.length && a.peers.every((peer, index) => peer === b.peers[index]);
  return samePeers && a.incompleteBecause === b.incompleteBecause;
}
