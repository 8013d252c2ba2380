// What happens in the run of one seed? A world is made, faults strike it, they end, it settles, and then nothing is written.
import { bundleDigest } from '../../src/bundle/bundle.ts';
import { storedAlike } from '../../src/federation/acceptance.ts';
import type { AuthorityPool } from './authority-pool.ts';
import { objectionToShutOut, PEER_SHUT_OUT } from './endpoint-watch.ts';
import { hurry, pickFault } from './faults.ts';
import { REQUEST_INVARIANTS, UNTOUCHED, WRITE_INVARIANTS } from './invariants.ts';
import { ROTATION_ENDS_WITHIN_MS, RotationWatch } from './rotation-watch.ts';
import { chanceOf, type Chance } from './random.ts';
import type { Replica } from './replica.ts';
import { Story, type Violation } from './story.ts';
import { workingReplica, type SimulatedTrustDomain } from './trust-domain-model.ts';
import { COMES_THROUGH_WITHIN_MS, isClaimed, TrustWatch } from './trust-watch.ts';
import { VirtualTime } from './virtual-time.ts';
import { World, type Onlooker } from './world.ts';

export interface RunResult {
  readonly seed: number;
  readonly violations: readonly Violation[];
  /** Empty unless it was asked for. */
  readonly story: readonly string[];
  readonly writes: number;
  readonly faults: number;
}

export interface RunParts {
  readonly pool: AuthorityPool;
  readonly isTold: boolean;
}

/** First all is well, so that there is something to lose. */
const QUIET_START_MS = 30_000;
const ROTATE_EVERY_MS = 5_000;
/** Longer than the time between two sweeps, and than any interval between fetches. */
const STEADY_MS = 70_000;
const LOOK_EVERY_MS = 20_000;
const HELPED_EVERY_MS = 30_000;
/** After the quiet start, its operators begin to lead a rotation. */
const LED_WITHIN_MS = 60_000;
const AGENTS_SYNC_EVERY_MS = 5_000;
/** The longest interval between two fetches, and its jitter. */
const TROUBLE_TELLS_WITHIN_MS = 60_000;

export async function runSeed(seed: number, { pool, isTold }: RunParts): Promise<RunResult> {
  const chance = chanceOf(seed);
  const time = new VirtualTime(chance);
  const run = new Run({ chance, time, pool, isTold });
  await run.run();
  return { seed, ...run.result };
}

class Run implements Onlooker {
  readonly #chance: Chance;
  readonly #time: VirtualTime;
  readonly #story: Story;
  readonly #world: World;
  readonly #watch: TrustWatch;
  #rotation: RotationWatch | undefined;
  readonly #violations: Violation[] = [];
  #writes = 0;
  #faults = 0;
  #lookedAtMs = 0;
  #isChanged = true;

  constructor({ chance, time, pool, isTold }: RunParts & { readonly chance: Chance; readonly time: VirtualTime }) {
    this.#chance = chance;
    this.#time = time;
    this.#story = new Story({ isTold, elapsedMs: () => time.elapsedMs });
    this.#world = new World({ time, chance, pool, story: this.#story, onlooker: () => this });
    this.#watch = new TrustWatch(this.#world);
  }

  get result(): Omit<RunResult, 'seed'> {
    const { lines: story } = this.#story;
    return { violations: this.#violations, story, writes: this.#writes, faults: this.#faults };
  }

  async run(): Promise<void> {
    await this.#world.populate();
    const { led } = this.#world;
    this.#rotation =
      led &&
      new RotationWatch(this.#world, led, (id, message) => {
        this.#object(id, `${led.trustDomain}: ${message}`);
      });
    this.#rotateByClocks();
    this.#leadLater();
    this.#hurryLater();
    const chaosUntilMs = QUIET_START_MS + this.#chance.between(90, 220) * 1000;
    this.#strikeLater(QUIET_START_MS, chaosUntilMs);
    await this.#runUntil(chaosUntilMs);
    this.#story.note('', () => 'every fault ends');
    for (const { spire, led } of this.#world.domains.values()) {
      if (led === undefined) spire.freeze();
      else spire.stopClock();
    }
    this.#world.endTroubles();
    await this.#endRotation();
    const calmMs = this.#time.elapsedMs;
    await this.#runUntil(calmMs + COMES_THROUGH_WITHIN_MS);
    this.#checkSettled();
    const writesBefore = this.#writes;
    await this.#runUntil(calmMs + COMES_THROUGH_WITHIN_MS + STEADY_MS);
    if (this.#writes > writesBefore)
      this.#object('NotSteady', `${this.#writes - writesBefore} writes though all is settled`);
  }

  written: Onlooker['written'] = (replica, write) => {
    this.#writes += 1;
    for (const { id, objection } of WRITE_INVARIANTS) {
      const message = objection({ world: this.#world, replica, write });
      if (message !== undefined) this.#object(id, `${replica.process.name}: ${message}`);
    }
  };

  requested: Onlooker['requested'] = (replica, request) => {
    for (const { id, objection } of REQUEST_INVARIANTS) {
      const message = objection({ world: this.#world, replica, request });
      if (message !== undefined) this.#object(id, `${replica.process.name}: ${message}`);
    }
  };

  shutOut: Onlooker['shutOut'] = (sight) => {
    const message = objectionToShutOut(this.#world, sight);
    if (message !== undefined) this.#object(PEER_SHUT_OUT.id, message);
  };

  changed: Onlooker['changed'] = () => {
    this.#isChanged = true;
  };

  fault: Onlooker['fault'] = (replica, error) => {
    this.#object('ProgramFault', `${replica.process.name}: ${error.stack ?? error.message}`);
  };

  rotationAnswered: Onlooker['rotationAnswered'] = (replica) => {
    this.#rotation?.noteAnswered(replica);
  };

  rotationWritten: Onlooker['rotationWritten'] = (write) => {
    this.#rotation?.noteWrite(write);
  };

  rotationDone: Onlooker['rotationDone'] = (write) => {
    this.#rotation?.noteDone(write);
  };

  rotationFailed: Onlooker['rotationFailed'] = (error) => {
    this.#object('ProgramFault', error.stack ?? error.message);
  };

  async #runUntil(untilMs: number): Promise<void> {
    await this.#time.runUntil(untilMs, () => {
      const { elapsedMs } = this.#time;
      if (!this.#isChanged && elapsedMs - this.#lookedAtMs < LOOK_EVERY_MS) return;
      this.#isChanged = false;
      this.#lookedAtMs = elapsedMs;
      this.#rotation?.look();
      const lost = this.#watch.look();
      if (lost !== undefined) this.#object('GoodPeerLostTrust', lost);
      const touched = UNTOUCHED.objection(this.#world);
      if (touched !== undefined) this.#object(UNTOUCHED.id, touched);
    });
  }

  #strikeLater(fromMs: number, untilMs: number): void {
    const atMs = fromMs + this.#chance.between(200, 15_000);
    if (atMs > untilMs) return;
    this.#time.after(atMs - this.#time.elapsedMs, () => {
      this.#faults += 1;
      pickFault(this.#world).strike(this.#world);
      this.#strikeLater(atMs, untilMs);
    });
  }

  #leadLater(): void {
    const { led } = this.#world.led ?? {};
    if (led === undefined) return;
    this.#time.after(QUIET_START_MS + this.#chance.below(LED_WITHIN_MS), () => {
      led.begin();
    });
    const sync = () => {
      if (!this.#world.led!.link.isDown) led.agents.sync();
      this.#time.after(AGENTS_SYNC_EVERY_MS, sync);
    };
    sync();
  }

  /** Once while all is well, so that nobody has an excuse; later as faults strike. Who is shut out all the same is helped. */
  #hurryLater(): void {
    const { hurried } = this.#world;
    if (hurried === undefined) return;
    this.#time.after(this.#chance.between(12_000, QUIET_START_MS), () => {
      hurry(this.#world, hurried);
    });
    const help = () => {
      this.#world.rebootstrap();
      this.#time.after(HELPED_EVERY_MS, help);
    };
    this.#time.after(QUIET_START_MS, help);
  }

  /** One that is under way ends now that nothing fails any more. */
  async #endRotation(): Promise<void> {
    const { led, spire } = this.#world.led ?? {};
    if (led === undefined) return;
    const fromMs = this.#time.elapsedMs;
    const mayEnd = () => !led.isUnderWay && this.#time.elapsedMs >= fromMs + TROUBLE_TELLS_WITHIN_MS;
    while (!mayEnd() && this.#time.elapsedMs < fromMs + ROTATION_ENDS_WITHIN_MS) {
      await this.#runUntil(this.#time.elapsedMs + LOOK_EVERY_MS);
      this.#world.rebootstrap();
    }
    this.#rotation?.noteSettled();
    led.giveUp();
    spire?.freeze();
  }

  /** Each SPIRE looks at its authorities again and again, and polls whom it has a relationship with. */
  #rotateByClocks(): void {
    for (const { spire, poller, kind } of this.#world.domains.values()) {
      if (kind === 'Hostile') continue;
      const tick = () => {
        poller.tick();
        void spire.rotateByClock();
        this.#time.after(ROTATE_EVERY_MS, tick);
      };
      this.#time.after(this.#chance.below(ROTATE_EVERY_MS), tick);
    }
  }

  /** After the last fault every SPIRE holds what its operator declares, and the brokers say so. */
  #checkSettled(): void {
    for (const domain of this.#world.brokered) {
      for (const message of this.#unsettled(domain)) this.#object('NotSettled', `${domain.trustDomain}: ${message}`);
    }
  }

  *#unsettled(domain: SimulatedTrustDomain): Generator<string> {
    const { spire, operator } = domain;
    const replica = workingReplica(domain);
    if (replica === undefined) yield 'no broker works';
    const conditions = new Map(
      [...(replica?.status()?.peers ?? [])].map(({ standing }) => [
        standing.plan.peer.trustDomain,
        standing.conditions,
      ]),
    );
    for (const [trustDomain, { mode }] of operator.peers) {
      const peer = this.#world.of(trustDomain);
      if (peer.kind === 'Hostile' || isClaimed(domain, trustDomain, this.#world.pool)) continue;
      const held = spire.bundles.get(trustDomain);
      const newest = { ...peer.published.at(-1)!, refreshHintSeconds: peer.refreshHintSeconds };
      if (held === undefined) yield `holds nothing of ${trustDomain}`;
      else if (bundleDigest(held) !== bundleDigest(newest)) yield `holds an old bundle of ${trustDomain}`;
      else if (mode === 'Own' && !storedAlike(held, newest))
        yield `holds another number or hint of ${trustDomain} than is published`;
      for (const { id, federatesWith } of spire.entries.values()) {
        if (id.startsWith('entry-pay-') && !federatesWith.includes(trustDomain))
          yield `${id} is not linked to ${trustDomain}`;
      }
      if (spire.managed.get(trustDomain) !== mode) yield `${trustDomain} is not recorded as ${mode}`;
      if (spire.relationships.has(trustDomain) !== (mode === 'Delegate'))
        yield `SPIRE itself polls ${trustDomain}, or should`;
      const ready = conditions.get(trustDomain)?.find(({ type }) => type === 'Ready');
      if (replica !== undefined && ready?.status !== 'True' && !endedByClock(ready?.reason, replica, peer)) {
        yield `${trustDomain} is not Ready: ${ready?.reason ?? 'no status'} ${ready?.message ?? ''}`;
      }
    }
  }

  #object(id: string, message: string): void {
    this.#violations.push({ id, atMs: this.#time.elapsedMs, message });
    this.#story.note('BROKEN', () => `${id}: ${message}`);
  }
}

/** An SVID that is kept for who lacks the newer root ends sooner for whose clock is ahead; its successor comes with its end. */
function endedByClock(reason: string | undefined, { process }: Replica, peer: SimulatedTrustDomain): boolean {
  const there = workingReplica(peer)?.process.clock.now();
  return reason === 'EndpointCertificateExpired' && there !== undefined && process.clock.now() > there;
}
