// What does SPIRE hold? One reader a fact; a failed read makes its fact unreadable, never empty.
import { bundlesEqual } from '../bundle/bundle.ts';
import type { Clock } from '../federation/clock.ts';
import { known, unreadable, type Fact } from '../federation/facts.ts';
import type { ManagedPeers, RegistrationEntry, SpireServer } from '../federation/ports.ts';
import { codedError } from './coded.ts';
import { Exclusive } from './exclusive.ts';
import type { FactBoard } from './fact-board.ts';

export class SpireGatherer {
  readonly #spire: SpireServer;
  readonly #board: FactBoard;
  readonly #clock: Clock;
  readonly #exclusive: Exclusive;
  /**
   * The poll and the sweep both read our own bundle: of two that overlap, the one that began first could end last, and
   * put an old bundle under the newest number.
   */
  readonly #ownReads = new Exclusive();
  #ownSequence: bigint | undefined;
  #entryCount: number | undefined;

  constructor(spire: SpireServer, board: FactBoard, clock: Clock, exclusive: Exclusive) {
    this.#spire = spire;
    this.#board = board;
    this.#clock = clock;
    this.#exclusive = exclusive;
  }

  /** Follows our own bundle: its sequence number costs 10 bytes to ask for, the whole is read when it changed. */
  readOwnBundle(signal: AbortSignal): Promise<void> {
    return this.#ownReads.run(() => this.#readOwnBundle(signal));
  }

  async #readOwnBundle(signal: AbortSignal): Promise<void> {
    const before = this.#board.fact('ownBundle');
    try {
      const sequence = await this.#spire.readOwnSequenceNumber(signal);
      const bundle =
        before.state === 'Known' && sequence === this.#ownSequence
          ? before.value
          : await this.#spire.readOwnBundle(signal);
      this.#ownSequence = sequence;
      this.#board.replace('ownBundle', known(bundle, this.#clock.now()), bundlesEqual);
    } catch (error) {
      // The last known bundle goes on being served while SPIRE is down; its age tells.
      if (before.state === 'Unreadable') this.#board.replace('ownBundle', this.#failed(error), bundlesEqual);
    }
  }

  async readStored(signal: AbortSignal): Promise<void> {
    await this.#exclusive.run(async () => {
      const fact = await this.#read(() => this.#spire.listFederatedBundles(signal));
      this.#board.replaceStored(mapFact(fact, (bundles) => new Map(bundles.map((b) => [b.trustDomain, b]))));
    });
  }

  async readRelationships(signal: AbortSignal): Promise<void> {
    const fact = await this.#read(() => this.#spire.listFederationRelationships(signal));
    const byName = mapFact(fact, (list) => new Map(list.map((item) => [item.trustDomain, item])));
    this.#board.replace('relationships', byName, sameMap);
  }

  async readManaged(signal: AbortSignal): Promise<void> {
    const fact: Fact<ManagedPeers> = await this.#read(() => this.#spire.readManagedPeers(signal));
    this.#board.replace('managed', fact, sameMap);
  }

  async readEntries(signal: AbortSignal): Promise<void> {
    await this.#exclusive.run(async () => {
      const fact = await this.#read(() => this.#spire.listEntries(signal));
      this.#board.replace('entries', fact, sameEntries);
    });
  }

  /** The cheap trigger between sweeps: another number of entries means that there are new ones. */
  async watchEntryCount(signal: AbortSignal): Promise<void> {
    const count = await this.#read(() => this.#spire.countEntries(signal));
    if (count.state === 'Unreadable' || count.value === this.#entryCount) return;
    this.#entryCount = count.value;
    await this.readEntries(signal);
  }

  async readAll(signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.readOwnBundle(signal),
      this.readStored(signal),
      this.readRelationships(signal),
      this.readManaged(signal),
      this.readEntries(signal),
    ]);
  }

  async #read<T>(call: () => Promise<T>): Promise<Fact<T>> {
    try {
      return known(await call(), this.#clock.now());
    } catch (error) {
      return this.#failed(error);
    }
  }

  #failed(error: unknown): Fact<never> {
    return unreadable(codedError(error), this.#clock.now());
  }
}

function mapFact<A, B>(fact: Fact<A>, map: (value: A) => B): Fact<B> {
  return fact.state === 'Known' ? { ...fact, value: map(fact.value) } : fact;
}

function sameMap(a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean {
  return JSON.stringify([...a].sort(byKey)) === JSON.stringify([...b].sort(byKey));
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function sameEntries(a: readonly RegistrationEntry[], b: readonly RegistrationEntry[]): boolean {
  if (a.length !== b.length) return false;
  // Those of a page of SPIRE's list that did not change are the very same values.
  return a.every((entry, index) => {
    const other = b[index];
    return entry === other || JSON.stringify(entry) === JSON.stringify(other);
  });
}
