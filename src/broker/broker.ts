// What runs while the broker runs? Gatherers that replace facts, and passes that act on them. Wired here, once.
import { setMaxListeners } from 'node:events';
import type { Bundle } from '../bundle/bundle.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Acknowledgement } from '../federation/acknowledgement.ts';
import { systemClock, type Clock } from '../federation/clock.ts';
import { known, unreadable, type Declarations } from '../federation/facts.ts';
import { asksForMesh } from '../federation/mesh-condition.ts';
import type { PeerBroker, PeerBrokers, PeerHoldings } from '../federation/peer-broker.ts';
import type { CodedError } from '../federation/ports.ts';
import type { BrokerParts } from './broker-parts.ts';
import { codedError } from './coded.ts';
import { Exclusive } from './exclusive.ts';
import type { ClusterWriters } from './apply-cluster.ts';
import { DeclaredBrokers } from './declared-brokers.ts';
import { EvidenceBook } from './evidence-book.ts';
import { FactBoard } from './fact-board.ts';
import { EntryFollower } from './follow-entries.ts';
import { gatherBootstraps } from './gather-bootstraps.ts';
import { clusterWriters, watchCluster } from './gather-cluster.ts';
import { PeerGatherers } from './gather-peers.ts';
import { SpireGatherer } from './gather-spire.ts';
import { MeshKeeper, type MeshParts, type MeshReport } from './mesh-keeper.ts';
import { PassRunner } from './pass-runner.ts';
import { runPass, type PassResult } from './pass.ts';
import { PollerProbe } from './probe-pollers.ts';
import { refreshBySpire } from './refresh-by-spire.ts';
import { repeat } from './repeat.ts';
import { RotationKeeper } from './rotation-keeper.ts';
import { liveStatus, type LiveStatus } from './status.ts';

const NOT_READ = { code: 'NotReadYet', message: 'the mesh was not looked at yet' };

/** How often it is looked whether a probe for SPIRE's own pollers is due. */
const PROBE_TICK_MS = 1_000;
/** How often it is tried whether the audit trail can be written again. */
const MEND_AUDIT_MS = 5_000;
/** How often entries are read that spire-controller-manager is about to change. */
const FOLLOWED_ENTRIES_POLL_MS = 3_000;

export class Broker implements PeerBrokers, PeerHoldings {
  readonly #parts: BrokerParts;
  readonly #clock: Clock;
  readonly #board: FactBoard;
  readonly #gatherer: SpireGatherer;
  readonly #exclusive = new Exclusive();
  readonly #brokers: DeclaredBrokers;
  readonly #gatherers: PeerGatherers;
  readonly #probe: PollerProbe;
  readonly #writers: ClusterWriters | undefined;
  readonly #mesh: MeshKeeper | undefined;
  readonly #rotation: RotationKeeper | undefined;
  readonly #follower: EntryFollower;
  readonly #evidence = new EvidenceBook();
  readonly #runner: PassRunner;
  readonly #stop = new AbortController();
  #followed: Declarations | undefined;
  #published: Bundle | undefined;
  #lastPass: PassResult | undefined;
  #lastMesh: MeshReport | undefined;
  #loops: readonly Promise<void>[] = [];

  constructor(parts: BrokerParts) {
    const { spire, settings, source, random = Math.random, clock = systemClock } = parts;
    this.#parts = parts;
    this.#clock = clock;
    // Every loop and every call under way listens to it; Node suspects a leak at eleven.
    setMaxListeners(0, this.#stop.signal);
    this.#board = new FactBoard(clock, {
      changed: () => {
        this.#onFactsChanged();
      },
      bundleReplaced: (trustDomain) => {
        this.#gatherers.refresh(trustDomain);
      },
    });
    this.#runner = new PassRunner(clock, () => this.#pass());
    this.#gatherer = new SpireGatherer(spire, this.#board, clock, this.#exclusive);
    this.#brokers = new DeclaredBrokers(this.#board, clock, parts.readBootstrap);
    this.#probe = new PollerProbe(spire, this.#board, clock);
    this.#follower = new EntryFollower(clock);
    this.#writers = parts.cluster === undefined ? undefined : clusterWriters(parts.cluster, this.#board, clock);
    this.#rotation = parts.rotation && new RotationKeeper(parts.rotation, parts.observer, this.#board, clock);
    this.#mesh = parts.mesh && this.#makeMeshKeeper(parts.mesh);
    this.#gatherers = new PeerGatherers({
      board: this.#board,
      source,
      clock,
      random,
      limits: settings.refresh,
      longPollSeconds: settings.longPollSeconds,
      documentLimits: settings.documentLimits,
      readBootstrap: parts.readBootstrap,
      passed: () => this.#runner.request(),
      isInjected: (peer) => parts.mesh !== undefined && asksForMesh(peer),
      onFetch: (peer, result, seconds) => {
        parts.observer.fetched(peer, result, seconds);
      },
    });
  }

  /** Starts everything; resolves when SPIRE was asked once for each fact, whether it answered or not. */
  async start(): Promise<void> {
    const { signal } = this.#stop;
    const { settings, peers, cluster, auditor, scheduleSweeps } = this.#parts;
    const watching = cluster === undefined ? [] : [watchCluster(cluster, this.#board, this.#clock, signal)];
    await this.#gatherer.readAll(signal);
    const every = (intervalMs: number, task: () => Promise<void>) =>
      repeat({ clock: this.#clock, intervalMs, signal }, task);
    this.#loops = [
      ...watching,
      ...(this.#mesh === undefined ? [] : [this.#mesh.run(signal)]),
      peers.watch((declarations) => {
        this.#noteDeclared(declarations);
      }, signal),
      every(settings.ownBundlePollMs, () => this.#gatherer.readOwnBundle(signal)),
      every(settings.storedPollMs, () => this.#gatherer.readStored(signal)),
      every(settings.storedPollMs, () => this.#gatherer.readRelationships(signal)),
      every(settings.storedPollMs, () => this.#gatherer.readManaged(signal)),
      every(settings.entryCountPollMs, () => this.#gatherer.watchEntryCount(signal)),
      every(PROBE_TICK_MS, () => this.#probe.tick(signal)),
      ...(auditor === undefined ? [] : [every(MEND_AUDIT_MS, () => auditor.mend())]),
      ...(this.#rotation === undefined ? [] : [this.#rotation.run(signal)]),
      ...(cluster === undefined
        ? []
        : [every(FOLLOWED_ENTRIES_POLL_MS, () => this.#follower.tick(() => this.#gatherer.readEntries(signal)))]),
    ];
    scheduleSweeps(() => this.#gatherer.readAll(signal), signal);
  }

  /** Ends all loops and lets the running pass end. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#runner.stop();
    await this.#gatherers.stop();
    await Promise.all(this.#loops);
  }

  /** Asks the peer at once, whatever its schedule says; or SPIRE, where SPIRE fetches. */
  refresh(trustDomain: TrustDomain): void {
    this.#gatherers.refresh(trustDomain);
    const peer = this.#followed?.peers.find((each) => each.trustDomain === trustDomain);
    if (peer?.mode === 'Delegate' && peer.suspend === 'Active') {
      void refreshBySpire(
        peer,
        { spire: this.#parts.spire, board: this.#board, clock: this.#clock },
        this.#stop.signal,
      );
    }
  }

  /** Asks every peer at once. */
  refreshAll(): void {
    for (const { trustDomain } of this.#followed?.peers ?? []) this.refresh(trustDomain);
  }

  find(trustDomain: TrustDomain): Promise<PeerBroker | undefined> {
    return this.#brokers.find(trustDomain);
  }

  noteAcknowledged(acknowledgement: Acknowledgement): void {
    this.#brokers.noteAcknowledged(acknowledgement);
  }

  acknowledged(): readonly Acknowledgement[] {
    return this.#brokers.acknowledged();
  }

  status(): LiveStatus {
    const facts = this.#board.snapshot();
    this.#evidence.noteSeen(facts);
    return liveStatus({
      trustDomain: this.#parts.trustDomain,
      facts,
      evidenceOf: (trustDomain) => this.#evidence.of(trustDomain),
      rotation: this.#rotation?.status(facts),
      lastPass: this.#lastPass,
      lastMesh: this.#lastMesh,
      auditor: this.#parts.auditor,
      nextFetchAt: (trustDomain) => this.#gatherers.nextFetchAt(trustDomain),
    });
  }

  /** What was declared stays in force while nothing can be read. */
  #noteDeclared(result: Declarations | CodedError): void {
    const at = this.#clock.now();
    if (result instanceof Error && this.#board.fact('declared').state === 'Known') return;
    const fact = result instanceof Error ? unreadable(result, at) : known(result, at);
    this.#board.replace('declared', fact, (a, b) => JSON.stringify(a) === JSON.stringify(b));
  }

  #onFactsChanged(): void {
    const [declared, ownBundle] = [this.#board.fact('declared'), this.#board.fact('ownBundle')];
    const { stored } = this.#board;
    if (ownBundle.state === 'Known' && ownBundle.value !== this.#published) {
      this.#published = ownBundle.value;
      this.#parts.observer.ownBundle(ownBundle.value);
    }
    // Before SPIRE was read once, nothing is known that an endpoint could be verified with.
    if (declared.state === 'Known' && stored.state === 'Known' && declared.value !== this.#followed) {
      this.#followed = declared.value;
      this.#gatherers.follow(declared.value.peers);
      if (declared.value.incompleteBecause === undefined) {
        this.#board.keepAcknowledgementsOf(new Set(declared.value.peers.map(({ trustDomain }) => trustDomain)));
      }
      void this.#probe.tick(this.#stop.signal);
      void gatherBootstraps(declared.value.peers, {
        readBootstrap: this.#parts.readBootstrap,
        board: this.#board,
        clock: this.#clock,
      });
    }
    this.#mesh?.noteFacts({ declared, stored, ownBundle });
    void this.#runner.request();
  }

  #makeMeshKeeper(mesh: MeshParts): MeshKeeper {
    this.#board.replaceOptional('mesh', unreadable(NOT_READ, this.#clock.now()));
    const { trustDomain, observer, auditor, isUpkeepOnly = () => false, mayWrite = () => true } = this.#parts;
    return new MeshKeeper({
      ...mesh,
      ...{ trustDomain, clock: this.#clock, auditor, isUpkeepOnly, mayWrite },
      facts: () => this.#board.snapshot(),
      onReport: (report) => {
        this.#board.replaceOptional('mesh', known(report.standings, this.#clock.now()));
        this.#lastMesh = report;
        this.#gatherers.noteMesh(report);
        observer.meshLooked(report);
      },
      onFault: (error) => {
        observer.passFailed(error);
      },
    });
  }

  async #pass(): Promise<{ readonly failed: boolean }> {
    const startedAtMs = this.#clock.now().getTime();
    const { mayWrite = () => true } = this.#parts;
    try {
      const report = await runPass({
        board: this.#board,
        spire: this.#parts.spire,
        cluster: this.#writers,
        gatherer: this.#gatherer,
        exclusive: this.#exclusive,
        limits: { ...this.#parts.settings.plan, upkeepOnly: this.#parts.isUpkeepOnly?.() ?? false },
        auditor: this.#parts.auditor,
        mayWrite,
        signal: this.#stop.signal,
      });
      // What our own end cut off says nothing of SPIRE: another replica may be writing status by now.
      if (this.#stop.signal.aborted || !mayWrite()) return { failed: false };
      this.#lastPass = { plan: report.plan, outcomes: report.outcomes };
      this.#evidence.notePass(report.facts, report.plan);
      this.#gatherers.noteApplied(report);
      this.#follower.notePass(report);
      this.#mesh?.notePass(report);
      this.#parts.observer.passEnded(report, (this.#clock.now().getTime() - startedAtMs) / 1000);
      return { failed: report.outcomes.some(({ error }) => error !== undefined) };
    } catch (error) {
      this.#parts.observer.passFailed(codedError(error));
      return { failed: true };
    }
  }
}
