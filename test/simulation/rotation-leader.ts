// How is a rotation led in a simulated trust domain? By the product's own loop, in a process of its own that its operator
// runs again when it dies.
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import type { LocalAuthorities } from '../../src/federation/local-authority.ts';
import { leadRotation, type RotationEnd, type RotationOrder } from '../../src/rotation/lead-rotation.ts';
import type { AuthorityKind } from '../../src/rotation/authority-times.ts';
import type { RotationStep } from '../../src/rotation/next-rotation-step.ts';
import type { KindReadiness } from '../../src/rotation/readiness.ts';
import { SpireError } from '../../src/spire/spire-error.ts';
import { AgentsModel } from './agents-model.ts';
import { linkAuthorities, linkRotation, type RotationWrite } from './authority-link.ts';
import { Process } from './process.ts';
import type { Chance } from './random.ts';
import type { Replica } from './replica.ts';
import type { SpireLink } from './spire-link.ts';
import type { SpireModel } from './spire-model.ts';
import type { Story } from './story.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface RotationLeaderParts {
  readonly trustDomain: TrustDomain;
  readonly spire: SpireModel;
  readonly link: SpireLink;
  readonly time: VirtualTime;
  readonly chance: Chance;
  readonly story: Story;
  /** Those that may answer who holds what. */
  readonly replicas: () => readonly (Replica | undefined)[];
  readonly nameOf: (authority: string) => string;
  /** A replica has said who holds what. */
  readonly onAnswered: (replica: Replica) => void;
  /** Before and after a write of the process that leads. */
  readonly onWrite: (write: RotationWrite) => void;
  readonly onDone: (write: RotationWrite) => void;
  readonly onFault: (error: Error) => void;
}

const AGENTS = 2;
const JWT_PERCENT = 30;
/** Of a rotation from its begin to its end. */
const WRITES = 9;
/** Up to the first call to prepare. */
const FIRST_WRITES = 3;
const POLL_MS = 2_000;
/** `--timeout`: its default, or that of an operator who runs it again. */
const TIMEOUTS_MS = [24 * 60 * 60 * 1000, 30_000];
/** Somebody waits for it, or nobody does. */
const RUN_AGAIN_WITHIN_MS = [1_000, 20_000];
/** As `fedbroker rotate` has them. */
const TIMES = { servedAtLeastSeconds: 15, callEndsWithinSeconds: 30, notAgainWithinSeconds: 600 };
const REVOKE_AFTER_SECONDS = 60;

export class RotationLeader {
  readonly agents: AgentsModel;
  /** Which authority is rotated. */
  readonly kind: AuthorityKind;
  readonly #parts: RotationLeaderParts;
  #asked: RotationOrder['asked'] | undefined;
  #process: Process | undefined;
  #runs = 0;
  #end: RotationEnd | undefined;
  #isOver = false;
  /** So often it is killed at one of its next writes, beside other faults. */
  #deathsLeft = 0;
  #writesLeft = Infinity;

  constructor(parts: RotationLeaderParts) {
    this.#parts = parts;
    this.kind = parts.chance.percent(JWT_PERCENT) ? 'jwt' : 'x509';
    this.agents = new AgentsModel(parts.spire, AGENTS, () => parts.time.nowMs);
  }

  /** The process that leads now. */
  get process(): Process | undefined {
    return this.#process?.isAlive === true && this.isUnderWay ? this.#process : undefined;
  }

  get isUnderWay(): boolean {
    return this.#asked !== undefined && this.#end === undefined && !this.#isOver;
  }

  get end(): RotationEnd | undefined {
    return this.#end;
  }

  begin(): void {
    const { chance } = this.#parts;
    const revokeOld = chance.percent(70);
    this.#asked = { taintOld: revokeOld || chance.percent(50), revokeOld };
    this.#deathsLeft = chance.below(3);
    this.#run();
  }

  /** Its operator runs it no more. */
  giveUp(): void {
    this.#isOver = true;
    this.#process?.kill();
  }

  /** As a broker looks at them. */
  authoritiesFor(process: Process): LocalAuthorities {
    const { spire: model, link, time, chance } = this.#parts;
    const unseen = { onWrite: () => undefined, onDone: () => undefined };
    return linkAuthorities({ model, link, time, chance, process, ...unseen });
  }

  #run(): void {
    const { trustDomain, spire, link, time, chance, story, onWrite, onDone, onFault } = this.#parts;
    if (this.#asked === undefined || this.#isOver) return;
    const name = `${trustDomain.split('.')[0] ?? ''}-lead.${++this.#runs}`;
    const process = new Process(name, {
      ...{ time, skewMs: 0 },
      onRestless: () => {
        onFault(new Error('the rotation never comes to rest'));
      },
      onKilled: () => {
        story.note(name, () => 'dies');
        this.#runLater();
      },
    });
    this.#process = process;
    // What is asked for first is what must not be asked for twice.
    this.#writesLeft = this.#deathsLeft-- > 0 ? chance.below(chance.pick([FIRST_WRITES, WRITES])!) : Infinity;
    story.note(name, () => `leads a rotation (${this.kind})`);
    const dying = (write: RotationWrite) => {
      if (this.#writesLeft-- === 0) process.killAtCall(0, chance.percent(70));
      onWrite(write);
    };
    const ports = linkRotation({
      model: spire,
      link,
      time,
      chance,
      process,
      agents: this.agents,
      ...{ onWrite: dying, onDone },
    });
    leadRotation(
      {
        ...{ kind: this.kind, asked: this.#asked, run: name },
        times: { ...TIMES, revokeAfterSeconds: REVOKE_AFTER_SECONDS },
      },
      {
        ports: { ...ports, askBroker: () => Promise.resolve(this.#ask()) },
        ...{
          clock: process.clock,
          pollMs: POLL_MS,
          timeoutMs: chance.pick(TIMEOUTS_MS)!,
          signal: new AbortController().signal,
        },
        onStep: this.#tellSteps(name),
      },
    ).then(
      (end) => {
        // Its operator looks what is wrong with the broker, and runs it again.
        if (end.end === 'TimedOut' || (end.end === 'Refused' && end.step.code === 'BrokerSilent')) this.#runLater();
        else this.#end = end;
        story.note(name, () => (end.end === 'Refused' ? `is refused: ${end.step.code}` : `ends: ${end.end}`));
      },
      (error: unknown) => {
        if (!(error instanceof SpireError)) onFault(error as Error);
        story.note(name, () => `gives up: ${(error as Error).message}`);
        this.#runLater();
      },
    );
  }

  #runLater(): void {
    const { time, chance } = this.#parts;
    time.after(chance.below(chance.pick(RUN_AGAIN_WITHIN_MS)!), () => {
      this.#run();
    });
  }

  /** Of a replica that works, whichever the operator's command reaches. */
  #ask(): readonly KindReadiness[] | undefined {
    for (const replica of this.#parts.replicas()) {
      if (replica?.process.isAlive !== true || replica.process.isStopped) continue;
      const rotation = replica.status()?.rotation;
      if (rotation === undefined || !('kinds' in rotation)) continue;
      this.#parts.onAnswered(replica);
      return rotation.kinds;
    }
    return undefined;
  }

  #tellSteps(name: string): (step: RotationStep) => void {
    const { story, nameOf } = this.#parts;
    let told = '';
    return (step) => {
      const id = 'id' in step ? ` ${nameOf(step.id)}` : '';
      const reason = 'reason' in step ? ` (${step.reason})` : '';
      const text = `${step.step}${id}${reason}`;
      if (text !== told) story.note(name, () => text);
      told = text;
    };
  }
}
