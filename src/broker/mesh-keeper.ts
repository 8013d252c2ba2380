// What runs so that the mesh accepts exactly the declared peers? Facts → plan → steps → outcomes, beside the passes for SPIRE.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Cancel, Clock } from '../federation/clock.ts';
import { unreadable, type Fact, type Facts, type MeshStanding } from '../federation/facts.ts';
import type { MeshObjectRef, MeshObjects } from '../federation/mesh-objects.ts';
import type { MeshSurvey, MeshSurveys } from '../federation/mesh-survey.ts';
import type { CodedError } from '../federation/ports.ts';
import { refOf as gatewayCaRef } from '../istio/gateway-ca-content.ts';
import type { MeshFacts, MeshLimits } from '../istio/mesh-facts.ts';
import { meshRootsOf, meshRootsRef } from '../istio/mesh-roots.ts';
import { EMPTY_MEMORY, rememberMesh, type MeshMemory, type MeshStepOutcome } from '../istio/mesh-memory.ts';
import { nextOf } from '../istio/mesh-timing.ts';
import { barredPeers, reviewMesh, type MeshReview } from '../istio/mesh-review.ts';
import { hasArrived, standingOf, underWayUntil } from '../istio/mesh-standing.ts';
import { planMesh, type MeshPlan } from '../istio/plan-mesh.ts';
import { referencedCas } from '../istio/referenced-cas.ts';
import { revisionRefs, sharedMeshConfigs, type MeshConfigNames } from '../istio/shared-mesh-configs.ts';
import { noteRevisions, vanishedRevisions, type RevisionSightings } from '../istio/vanished-revisions.ts';
import { applyMeshSteps } from './apply-mesh.ts';
import type { Auditor } from './auditor.ts';
import { codedError } from './coded.ts';
import { ObjectFollower } from './follow-objects.ts';
import { GatewayCaRefs } from './gateway-ca-refs.ts';
import { listWindow } from './list-window.ts';
import { MeshReadBacks, type ReadBackSources } from './mesh-read-backs.ts';
import { PassRunner } from './pass-runner.ts';
import type { PassReport } from './pass.ts';
import { repeat } from './repeat.ts';

export interface MeshSettings extends MeshConfigNames, Omit<MeshLimits, 'isListWindowOpen' | 'nextListWindowAt'> {
  /** In which minutes the list of names may change, as a cron expression; undefined: always. */
  readonly listSchedule: string | undefined;
  /** Whether what is found in policies, gateways and service entries keeps a peer out. */
  readonly isStrict: boolean;
  /** Policies there are for the whole mesh. */
  readonly rootNamespace: string;
}

/** The mesh of the cluster that our SPIRE serves. */
export interface MeshParts extends ReadBackSources {
  readonly objects: MeshObjects;
  readonly surveys: MeshSurveys;
  readonly settings: MeshSettings;
}

/** What one look at the mesh came to. */
export interface MeshReport {
  readonly facts: MeshFacts;
  readonly plan: MeshPlan;
  readonly outcomes: readonly MeshStepOutcome[];
  /** Why CA objects that an earlier life of the broker left are not known everywhere: those stay. */
  readonly unlistedCas: readonly CodedError[];
  /** After it. */
  readonly standings: readonly MeshStanding[];
  /** Whose roots, as SPIRE held them, the mesh uses. */
  readonly arrived: ReadonlySet<TrustDomain>;
  /** Undefined: the mesh was not surveyed yet. */
  readonly review: MeshReview | undefined;
}

/** What of the facts about SPIRE the mesh follows from. */
export type MeshGround = Pick<Facts, 'declared' | 'stored' | 'ownBundle' | 'knownRoots'>;

/** What of it is news for the mesh. */
type MeshNews = Omit<MeshGround, 'knownRoots'>;

export interface MeshKeeperParts extends MeshParts {
  readonly trustDomain: TrustDomain;
  readonly facts: () => MeshGround;
  /** Undefined: nothing is recorded. */
  readonly auditor: Auditor | undefined;
  readonly clock: Clock;
  /** Nothing is written while it says so; see `PlanLimits.upkeepOnly`. */
  readonly isUpkeepOnly: () => boolean;
  /** Asked before each write. */
  readonly mayWrite: () => boolean;
  readonly onReport: (report: MeshReport) => void;
  /** A fault of this program. */
  readonly onFault: (error: Error) => void;
}

/** CA objects that nobody asks for any more harm nobody. */
const LOOK_FOR_CAS_MS = 5 * 60_000;

export class MeshKeeper {
  readonly #parts: MeshKeeperParts;
  readonly #follower: ObjectFollower;
  readonly #runner: PassRunner;
  #memory: MeshMemory = EMPTY_MEMORY;
  #survey: MeshSurvey | undefined;
  /** The last that could be read: an istiod does not vanish because it cannot be seen. */
  #istiods: MeshSurvey['istiods'] | undefined;
  #sightings: RevisionSightings = new Map();
  readonly #readBacks: MeshReadBacks;
  /** They go when nobody names them any more. */
  readonly #gatewayCas: GatewayCaRefs;
  /** Peers that withdrew all their keys or were silent for too long, where policy says that trust in them ends. */
  #revoked: ReadonlySet<TrustDomain> = new Set();
  #looked: MeshNews | undefined;
  #cancelLook: Cancel = () => undefined;
  readonly #stop = new AbortController();

  constructor(parts: MeshKeeperParts) {
    this.#parts = parts;
    const { objects, clock, settings } = parts;
    const request = () => void this.#runner.request();
    this.#gatewayCas = new GatewayCaRefs(objects, settings.namespace);
    this.#runner = new PassRunner(clock, () => this.#pass());
    this.#follower = new ObjectFollower(objects, clock, request);
    this.#readBacks = new MeshReadBacks(parts, clock, request);
  }

  /** Until the signal aborts; what was written stays. */
  async run(signal: AbortSignal): Promise<void> {
    const { surveys, clock, isUpkeepOnly } = this.#parts;
    signal.addEventListener('abort', () => {
      this.#stop.abort();
    });
    await Promise.all([
      surveys.watch((survey) => {
        this.#survey = survey;
        this.#sightings = noteRevisions(this.#sightings, survey.istiods);
        if (survey.istiods.state === 'Known' || this.#istiods === undefined) this.#istiods = survey.istiods;
        void this.#runner.request();
      }, signal),
      repeat({ clock, intervalMs: LOOK_FOR_CAS_MS, signal }, async () => {
        if (!isUpkeepOnly() && (await this.#gatewayCas.look(signal))) void this.#runner.request();
      }),
      this.#readBacks.run(signal),
    ]);
    this.#cancelLook();
    await this.#runner.stop();
    await this.#follower.stop();
  }

  /** Looks again when something changed on the board that the mesh depends on. */
  noteFacts({ declared, stored, ownBundle }: MeshNews): void {
    const before = this.#looked;
    const isSame =
      before !== undefined &&
      sameValue(before.declared, declared) &&
      sameValue(before.stored, stored) &&
      sameValue(before.ownBundle, ownBundle);
    if (isSame) return;
    this.#looked = { declared, stored, ownBundle };
    void this.#runner.request();
  }

  notePass({ plan }: Pick<PassReport, 'plan'>): void {
    const revoked = plan.peers.filter(({ cut }) => cut === 'RevokedByPeer' || cut === 'Expired');
    const names = new Set(revoked.map(({ peer }) => peer.trustDomain));
    if (names.size === this.#revoked.size && [...names].every((name) => this.#revoked.has(name))) return;
    this.#revoked = names;
    void this.#runner.request();
  }

  async #pass(): Promise<{ readonly failed: boolean }> {
    const { objects, auditor, isUpkeepOnly, mayWrite, onReport } = this.#parts;
    if (isUpkeepOnly() || !this.#isSurveyed()) return { failed: false };
    try {
      const facts = this.#facts();
      const plan = planMesh(facts, this.#limits(facts.now));
      const outcomes = await applyMeshSteps(plan.steps, {
        objects,
        noteObject: (ref, object) => {
          this.#follower.note(ref, object);
        },
        auditor,
        mayWrite,
        signal: this.#stop.signal,
      });
      this.#memory = rememberMesh(facts, plan, outcomes);
      const after = { ...facts, ...this.#objectFacts(), memory: this.#memory };
      const review = this.#review(after);
      const input = { facts: after, outcomes, review, istiods: this.#istiods, ...this.#readBacks.found };
      const standings = plan.peers.map((peer) => standingOf(peer, input));
      const arrived = new Set(plan.peers.filter((each) => hasArrived(each, input)).map(({ peer }) => peer.trustDomain));
      this.#lookAgainAt(nextOf([plan.nextLookAt, underWayUntil(after)], facts.now));
      onReport({ facts, plan, outcomes, unlistedCas: this.#gatewayCas.failures, standings, arrived, review });
      return { failed: outcomes.some(({ error }) => error !== undefined) };
    } catch (error) {
      this.#parts.onFault(codedError(error));
      return { failed: true };
    }
  }

  #facts(): MeshFacts {
    const { trustDomain, clock, settings } = this.#parts;
    const { declared, stored, ownBundle, knownRoots } = this.#parts.facts();
    const peers = declared.state === 'Known' ? declared.value.peers : [];
    const declaredCas = peers.flatMap(({ mesh }) => mesh?.gatewayCas ?? []);
    this.#gatewayCas.declare(declaredCas.map((ca) => gatewayCaRef(ca, settings.namespace)));
    const configs = this.#revisions().flatMap(({ ref, base }) => [ref, base]);
    const meshRoots = meshRootsRef(settings.istioNamespace);
    const vanished = this.#vanished().map(({ ref }) => ref);
    this.#follower.follow([...configs, ...vanished, meshRoots, ...this.#gatewayCas.refs.values()]);
    const objects = this.#objectFacts();
    const review = settings.isStrict ? this.#review(objects) : undefined;
    return {
      now: clock.now(),
      ownTrustDomain: trustDomain,
      ...{ declared, stored, ownBundle, knownRoots },
      revoked: this.#revoked,
      referencedCas: this.#referencedCas(),
      meshRoots: meshRootsOf(this.#follower.fact(meshRoots)),
      barred: review === undefined ? new Map() : barredPeers(peers, review),
      merged: this.#readBacks.found.merged,
      memory: this.#memory,
      ...objects,
    };
  }

  #review({ shared: revisions }: Pick<MeshFacts, 'shared'>): MeshReview | undefined {
    const { trustDomain: ownTrustDomain, settings } = this.#parts;
    const { target, rootNamespace } = settings;
    return this.#survey && reviewMesh({ ownTrustDomain, target, rootNamespace, revisions, survey: this.#survey });
  }

  /** As they are now, what was just written included. */
  #objectFacts(): Pick<MeshFacts, 'shared' | 'vanished' | 'gatewayCas'> {
    const fact = (ref: MeshObjectRef) => this.#follower.fact(ref);
    return {
      shared: sharedMeshConfigs(this.#revisions(), fact),
      vanished: this.#vanished().map((each) => ({ ...each, object: fact(each.ref) })),
      gatewayCas: new Map([...this.#gatewayCas.refs].map(([key, ref]) => [key, fact(ref)])),
    };
  }

  #referencedCas(): MeshFacts['referencedCas'] {
    if (this.#survey === undefined) return this.#notRead();
    const secrets = [...this.#gatewayCas.refs.values()].filter(({ kind }) => kind === 'Secret');
    return referencedCas(this.#survey, new Set(secrets.map(({ namespace }) => namespace)), this.#parts.clock.now());
  }

  /** Before the first survey nobody knows for which istiod to write. */
  #isSurveyed(): boolean {
    return this.#istiods !== undefined || this.#parts.settings.revisions !== undefined;
  }

  #revisions() {
    return revisionRefs(this.#parts.settings, this.#istiods, this.#parts.settings.target);
  }

  #vanished() {
    const { settings } = this.#parts;
    return vanishedRevisions(settings, this.#sightings, this.#survey?.istiods, settings.target);
  }

  #limits(now: Date): MeshLimits {
    const { settings } = this.#parts;
    const { isOpen, opensAt } = listWindow(settings.listSchedule, now);
    return { ...settings, isListWindowOpen: isOpen, nextListWindowAt: opensAt };
  }

  #lookAgainAt(time: Date | undefined): void {
    this.#cancelLook();
    if (time === undefined || this.#stop.signal.aborted) return;
    const delayMs = Math.max(0, time.getTime() - this.#parts.clock.now().getTime());
    this.#cancelLook = this.#parts.clock.after(delayMs, () => void this.#runner.request());
  }

  #notRead(): Fact<never> {
    return unreadable({ code: 'NotReadYet', message: 'not read yet' }, this.#parts.clock.now());
  }
}

function sameValue<T>(a: Fact<T>, b: Fact<T>): boolean {
  return a.state === 'Known' && b.state === 'Known' ? a.value === b.value : a.state === b.state;
}
