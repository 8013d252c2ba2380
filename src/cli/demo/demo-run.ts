// What happens in the demo? Two trust domains federate, their workloads talk, both CAs rotate, an endpoint turns hostile.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setMaxListeners } from 'node:events';
import { parseTrustDomain } from '../../bundle/trust-domain.ts';
import { sleep, systemClock } from '../../federation/clock.ts';
import { createLogger } from '../../log.ts';
import { CallTally } from './call-tally.ts';
import type { DeclarationPlaces } from './declaration-place.ts';
import { demoResult, type DemoResult } from './demo-result.ts';
import { hostileDocuments, serveHostile, serveTruth } from './hostile-documents.ts';
import { MeshLeg, type MeshPrograms } from './mesh-leg.ts';
import { noteObjects, showObjects } from './note-objects.ts';
import { DEMO_PACE, type Pace } from './pace.ts';
import { conditionOf } from './peer-condition.ts';
import { rotate, type Rotation } from './rotation.ts';
import { callsScene, sideScene, type Note, type RootMemory, type Scene } from './scene.ts';
import { declarePeer, nameOf, startSide, type Side } from './side.ts';
import type { SpireStarter } from './spire-starter.ts';
import { shortRoot, Story } from './story.ts';
import { Teardown } from './teardown.ts';
import { waitUntil } from './wait-until.ts';

export interface DemoOptions {
  readonly starter: SpireStarter;
  readonly places: DeclarationPlaces;
  /** Undefined without a mesh. */
  readonly mesh?: MeshPrograms | undefined;
  readonly rotations: number;
  readonly onNote: (note: Note) => void;
  readonly pace?: Pace;
  /** Ends the brokers before the first rotation, to see that the demo fails without them. */
  readonly withoutBrokers?: boolean;
}

export interface DemoOutcome {
  readonly result: DemoResult;
  /** What should not have been; empty when all is well, also after an early end. */
  readonly faults: readonly string[];
  /** What the brokers warned of. */
  readonly brokerLog: readonly string[];
}

type Pair = readonly [east: Side, west: Side];

const EAST = parseTrustDomain('east.example');
const WEST = parseTrustDomain('west.example');
const READY_TIMEOUT_MS = 30_000;
const MAX_LOG_LINES = 200;

export class DemoRun {
  readonly #options: DemoOptions;
  readonly #pace: Pace;
  readonly #story: Story;
  readonly #rotations: Rotation[] = [];
  readonly #faults: string[] = [];
  readonly #brokerLog: string[] = [];
  readonly #rootMemory: RootMemory = new Map();
  readonly #tallies: readonly [fromEast: CallTally, fromWest: CallTally];
  readonly #mesh: MeshLeg | undefined;
  #pair: Pair | undefined;
  /** As they were before the end: a broker that was stopped may know no peers any more. */
  #lastSides: Scene['sides'] | undefined;

  constructor(options: DemoOptions) {
    this.#options = options;
    this.#pace = options.pace ?? DEMO_PACE;
    this.#story = new Story(options.onNote);
    this.#mesh = options.mesh && new MeshLeg(options.mesh, this.#pace, this.#story);
    const tally = (from: string) =>
      new CallTally((reason) => {
        this.#story.tell(`a call from ${from} failed: ${reason}`, 'Bad');
      });
    this.#tallies = [tally(EAST), tally(WEST)];
  }

  scene(): Scene {
    return {
      spire: this.#options.starter.version,
      kubernetes: this.#options.places.kubernetes,
      envoy: this.#options.mesh?.envoy.version,
      elapsedMs: this.#story.elapsedMs,
      rotationsWanted: this.#options.rotations,
      sides: this.#lastSides ?? this.#sides(),
      calls: [
        callsScene(EAST, WEST, this.#tallies[0]),
        callsScene(WEST, EAST, this.#tallies[1]),
        ...(this.#mesh?.calls ?? []),
      ],
      rotations: this.#rotations.map(({ number, side, root, publishedAtMs, toPeerMs, activatedAfterMs }) => ({
        ...{ number, root, toPeerMs, activatedAfterMs },
        name: nameOf(side.trustDomain),
        publishedAtMs: publishedAtMs - this.#story.startedAtMs,
      })),
      notes: this.#story.notes,
    };
  }

  /** Resolves when everything that was started has ended. Rejects when it could not be started. */
  async run(signal: AbortSignal): Promise<DemoOutcome> {
    const teardown = new Teardown();
    try {
      const folder = await mkdtemp(join(tmpdir(), 'fedbroker-demo-'));
      teardown.add(() => rm(folder, { recursive: true, force: true }));
      await this.#play(folder, teardown, signal);
    } catch (error) {
      // What was under way when we were asked to end fails because of that.
      if (!signal.aborted) throw error;
    } finally {
      this.#lastSides = this.#sides();
      await teardown.run();
    }
    return this.#outcome();
  }

  async #play(folder: string, teardown: Teardown, signal: AbortSignal): Promise<void> {
    const { starter, places, rotations } = this.#options;
    const spire = starter.version === 'embedded' ? 'an embedded SPIRE' : `SPIRE ${starter.version}`;
    const kubernetes = places.kubernetes === undefined ? '' : ` a Kubernetes ${places.kubernetes} API server,`;
    this.#story.tell(`${EAST} and ${WEST} start: ${spire},${kubernetes} a broker, a workload each`);
    const traffic = new AbortController();
    const ending = AbortSignal.any([signal, traffic.signal]);
    setMaxListeners(0, ending);
    const pair = await this.#startPair(folder, teardown, signal);
    // The calls end before what they need.
    const loops: Promise<void>[] = [];
    teardown.add(async () => {
      traffic.abort();
      await Promise.all(loops);
    });
    this.#pair = pair;
    for (const { workload } of pair) loops.push(workload.follow(ending));
    loops.push(noteObjects(pair[0], pair[1], this.#story, ending), noteObjects(pair[1], pair[0], this.#story, ending));

    await this.#mesh?.start(pair, teardown, signal);
    await this.#federate(pair, signal);
    const first = await pair[0].spire.readOwnBundle(signal);
    const [east, west] = pair;
    loops.push(east.workload.callRepeatedly(west.workload, this.#pace.callEveryMs, this.#tallies[0], ending));
    loops.push(west.workload.callRepeatedly(east.workload, this.#pace.callEveryMs, this.#tallies[1], ending));
    this.#story.tell('the workloads call each other, a fresh mTLS handshake each time');
    await this.#mesh?.call(teardown, signal);
    await sleep(systemClock, this.#pace.restMs, signal);

    if (this.#options.withoutBrokers === true) await Promise.all(pair.map(({ broker }) => broker.stop()));
    for (let index = 0; index < rotations && !signal.aborted; index += 1) await this.#rotate(index, pair, signal);
    if (!signal.aborted) this.#faults.push(...((await this.#mesh?.forge(signal)) ?? []));
    if (this.#options.withoutBrokers !== true && !signal.aborted) await this.#turnHostile(pair, first, signal);
    if (!signal.aborted) this.#story.tell('both trust domains end');
  }

  async #startPair(folder: string, teardown: Teardown, signal: AbortSignal): Promise<Pair> {
    const log = createLogger({
      level: 'warn',
      format: 'text',
      write: (line) => {
        if (this.#brokerLog.length < MAX_LOG_LINES) this.#brokerLog.push(line.trimEnd());
      },
    });
    const { starter, places } = this.#options;
    const parts = { starter, places, folder, log, followEveryMs: this.#pace.followEveryMs };
    const start = (trustDomain: typeof EAST, peer: typeof EAST) =>
      startSide({ ...parts, trustDomain, peer }, teardown, signal);
    // Both are awaited, so that the teardown knows of all that was started.
    const [east, west] = await Promise.allSettled([start(EAST, WEST), start(WEST, EAST)]);
    if (east.status === 'rejected') throw east.reason;
    if (west.status === 'rejected') throw west.reason;
    return [east.value, west.value];
  }

  async #federate(pair: Pair, signal: AbortSignal): Promise<void> {
    const [east, west] = pair;
    await Promise.all([declarePeer(east, west), declarePeer(west, east)]);
    this.#story.tell('each broker is told of its peer, once: where it is, its SPIFFE ID, its bundle of today');
    const isReady = () =>
      [...pair].every((side) => {
        const peer = side === east ? west : east;
        const { objects } = side.place;
        const isReadyObject = objects === undefined || objects.ready(nameOf(peer.trustDomain))?.status === 'True';
        return side.workload.trustsPeer && conditionOf(side, peer, 'Ready')?.status === 'True' && isReadyObject;
      });
    const ready = await waitUntil(isReady, { everyMs: 50, timeoutMs: READY_TIMEOUT_MS, signal });
    if (!ready && !signal.aborted) {
      const why = conditionOf(east, west, 'Ready') ?? conditionOf(west, east, 'Ready');
      throw new Error(`the brokers were not ready within ${READY_TIMEOUT_MS / 1000} s: ${why?.message ?? 'no status'}`);
    }
    this.#story.tell('each workload holds the bundle of the other trust domain', 'Good');
    await showObjects(pair, this.#story);
  }

  async #rotate(index: number, [east, west]: Pair, signal: AbortSignal): Promise<void> {
    const number = index + 1;
    const [side, peer] = index % 2 === 0 ? [east, west] : [west, east];
    const failuresBefore = this.#failures();
    const rotation = await rotate({ number, side, peer }, this.#pace, signal, (progress) => {
      this.#story.tellRotation(progress, this.#rotations[index], peer.trustDomain);
      this.#rotations[index] = progress;
    });
    await sleep(systemClock, this.#pace.restMs, signal);
    if (signal.aborted) return;
    if (rotation.toPeerMs === undefined) {
      this.#faults.push(`root ${shortRoot(rotation.root)} of ${side.trustDomain} never reached ${peer.trustDomain}`);
    }
    const failed = this.#failures() - failuresBefore;
    if (failed > 0) this.#story.tell(`rotation ${number}: ${failed} calls failed`, 'Bad');
  }

  async #turnHostile([east, west]: Pair, first: Parameters<typeof hostileDocuments>[0], signal: AbortSignal) {
    const failuresBefore = this.#failures();
    for (const document of hostileDocuments(first)) {
      this.#story.tell(`the endpoint of ${east.trustDomain} serves ${document.what}`);
      const turn = { side: east, victim: west, document };
      const { reason, bundleKept } = await serveHostile(turn, this.#pace.hostileMs, signal);
      if (signal.aborted) return;
      if (reason === document.expectedReason && bundleKept) {
        this.#story.tell(`${west.trustDomain} keeps the bundle it has (${reason})`, 'Good');
      } else {
        const outcome = `${reason ?? 'no refusal'}, bundle ${bundleKept ? 'kept' : 'changed'}`;
        this.#story.tell(
          `${west.trustDomain} should have kept its bundle for ${document.expectedReason}: ${outcome}`,
          'Bad',
        );
        this.#faults.push(`${document.what}: ${outcome}`);
      }
    }
    const well = await serveTruth(east, west, signal);
    if (signal.aborted) return;
    if (!well) this.#faults.push(`${west.trustDomain} did not recover when the endpoint served its own bundle again`);
    else if (this.#failures() === failuresBefore) {
      this.#story.tell('the endpoint serves the truth again: ready, and no call failed meanwhile', 'Good');
    }
    await sleep(systemClock, this.#pace.restMs, signal);
  }

  #outcome(): DemoOutcome {
    const { starter, places } = this.#options;
    const result = demoResult(this.#rotations, this.#tallies, {
      spire: starter.version,
      kubernetes: places.kubernetes ?? null,
      mesh: this.#mesh?.result ?? null,
    });
    const faults = [...(this.#mesh?.faults() ?? []), ...this.#faults];
    if (result.failedHandshakes > 0) faults.unshift(`${result.failedHandshakes} handshakes failed`);
    if (result.rotations > 0 && this.#tallies.some(({ ok }) => ok === 0))
      faults.push('a workload never reached the other one');
    return { result, faults, brokerLog: this.#brokerLog };
  }

  #sides(): Scene['sides'] {
    if (this.#pair === undefined) return [];
    const [east, west] = this.#pair;
    return [sideScene(east, west, this.#rootMemory), sideScene(west, east, this.#rootMemory)];
  }

  #failures(): number {
    return this.#tallies.reduce((sum, { failures }) => sum + failures, this.#mesh?.failures ?? 0);
  }
}
