// Do workloads reach each other through a mesh's Envoys, and nobody who pretends? What the demo shows of Istio.
import { setMaxListeners } from 'node:events';
import type { SpiffeId } from '../../bundle/spiffe-id.ts';
import type { X509SigningAuthority } from '../../dev-spire/x509-authority.ts';
import { CallTally } from './call-tally.ts';
import type { ChildPrograms } from './child-programs.ts';
import type { EnvoyProgram } from './envoy-program.ts';
import { forgeSvid } from './forged-svid.ts';
import { callOverMtls, type Exchange } from './mtls.ts';
import type { Pace } from './pace.ts';
import { callsScene, type CallsScene } from './scene.ts';
import { nameOf, type Side } from './side.ts';
import { startSidecar, type Sidecar } from './sidecar.ts';
import type { Story } from './story.ts';
import type { Teardown } from './teardown.ts';
import { waitUntil } from './wait-until.ts';

export interface MeshPrograms {
  readonly envoy: EnvoyProgram;
  readonly programs: ChildPrograms;
}

export interface MeshResult {
  /** Its version. */
  readonly envoy: string;
  /** Calls to the Envoy of the other trust domain, good and failed. */
  readonly requests: number;
  readonly failed: number;
  /** How many identities were refused that the CA of the other trust domain had no right to; one is tried at each Envoy. */
  readonly forgedRefused: number;
  /** How often a list of accepted trust domains was written, after which Envoys drain; once for each peer when all is well. */
  readonly listWrites: number;
}

/** From `peer`'s workload to the Envoy of `side`'s. */
interface Way {
  readonly side: Side;
  readonly peer: Side;
  readonly sidecar: Sidecar;
  readonly tally: CallTally;
}

const HTTP: Exchange = {
  request: 'GET / HTTP/1.1\r\nhost: workload\r\nconnection: close\r\n\r\n',
  isAnswer: (text) => text.startsWith('HTTP/1.1 200 ') && text.includes('\r\n\r\n'),
};
const ACCEPTED_TIMEOUT_MS = 30_000;
const LOOK_EVERY_MS = 50;

export class MeshLeg {
  readonly #programs: MeshPrograms;
  readonly #pace: Pace;
  readonly #story: Story;
  #ways: readonly Way[] = [];
  #forgedRefused = 0;

  constructor(programs: MeshPrograms, pace: Pace, story: Story) {
    this.#programs = programs;
    this.#pace = pace;
    this.#story = story;
  }

  get calls(): readonly CallsScene[] {
    return this.#ways.map(({ side, peer, tally }) => callsScene(peer.trustDomain, envoyOf(side), tally));
  }

  get failures(): number {
    return this.#sum(({ tally }) => tally.failures);
  }

  get result(): MeshResult {
    return {
      envoy: this.#programs.envoy.version,
      requests: this.#sum(({ tally }) => tally.ok + tally.failures),
      failed: this.failures,
      forgedRefused: this.#forgedRefused,
      listWrites: this.#sum(({ sidecar }) => sidecar.listWrites()),
    };
  }

  /** Resolves when both Envoys run, before any peer is declared. Their workloads follow SPIRE already. */
  async start([east, west]: readonly [Side, Side], teardown: Teardown, signal: AbortSignal): Promise<void> {
    const { envoy } = this.#programs;
    this.#story.tell(
      `Envoy ${envoy.version} beside each workload; istiod stand-in, by rules measured on istiod 1.29.6`,
    );
    const started = await Promise.allSettled([
      this.#startWay(west, east, teardown, signal),
      this.#startWay(east, west, teardown, signal),
    ]);
    for (const way of started) if (way.status === 'rejected') throw way.reason;
    this.#ways = started.flatMap((way) => (way.status === 'fulfilled' ? [way.value] : []));
  }

  /** Resolves when each workload reached the Envoy of the other one; from then on it calls again and again. */
  async call(teardown: Teardown, signal: AbortSignal): Promise<void> {
    const reached = await Promise.all(this.#ways.map((way) => this.#isReached(way, signal)));
    if (signal.aborted) return;
    if (reached.includes(false)) {
      throw new Error(`an Envoy did not accept the other trust domain within ${ACCEPTED_TIMEOUT_MS / 1000} s`);
    }
    this.#story.tell('each Envoy lists the other trust domain, and trusts its roots for its own names alone', 'Good');
    const traffic = new AbortController();
    const ending = AbortSignal.any([signal, traffic.signal]);
    setMaxListeners(0, ending);
    const calling = this.#ways.map(({ peer, sidecar, tally }) =>
      peer.workload.callRepeatedly(targetOf(sidecar), this.#pace.callEveryMs, tally, ending),
    );
    teardown.add(async () => {
      traffic.abort();
      await Promise.all(calling);
    });
  }

  /** Resolves to what should not have been. */
  async forge(signal: AbortSignal): Promise<readonly string[]> {
    const faults: string[] = [];
    for (const way of this.#ways) {
      const { side, peer, sidecar } = way;
      const authority = await peer.stealAuthority();
      const [own, forged] = [peer.workload.id, side.workload.id];
      this.#story.tell(`the key of ${nameOf(peer.trustDomain)}’s CA is stolen, and signs ${forged}`);
      // Otherwise a refusal would say nothing about the name.
      const ownAccepted = await this.#isAccepted(way, authority, own, signal);
      const unverifiedBefore = await sidecar.unverified();
      const forgedAccepted = await this.#isAccepted(way, authority, forged, signal);
      if (signal.aborted) return [];
      const isRefused = !forgedAccepted && (await sidecar.unverified()) === unverifiedBefore + 1;
      if (isRefused) this.#forgedRefused += 1;
      if (isRefused && ownAccepted) {
        this.#story.tell(`${envoyOf(side)} refuses that, and accepts ${own} by the same key`, 'Good');
      } else {
        const judged = (accepted: boolean) => (accepted ? 'accepted' : 'refused');
        const fault = `${envoyOf(side)}, by one key: ${own} ${judged(ownAccepted)}, ${forged} ${judged(forgedAccepted)}`;
        this.#story.tell(fault, 'Bad');
        faults.push(fault);
      }
    }
    return faults;
  }

  /** What should not have been, of all that was counted. */
  faults(): readonly string[] {
    const { failed, listWrites } = this.result;
    return [
      ...(failed > 0 ? [`${failed} calls to an Envoy failed`] : []),
      ...(listWrites > this.#ways.length ? [`lists of trust domains were written ${listWrites} times`] : []),
    ];
  }

  async #startWay(side: Side, peer: Side, teardown: Teardown, signal: AbortSignal): Promise<Way> {
    const { mesh: objects } = side.place;
    if (objects === undefined) throw new Error(`there is no mesh at ${side.trustDomain}`);
    const tally = new CallTally((reason) => {
      this.#story.tell(`a call from ${peer.trustDomain} to ${envoyOf(side)} failed: ${reason}`, 'Bad');
    });
    const parts = { ...this.#programs, side, objects, followEveryMs: this.#pace.followEveryMs };
    return { side, peer, sidecar: await startSidecar(parts, teardown, signal), tally };
  }

  #isReached({ peer, sidecar }: Way, signal: AbortSignal): Promise<boolean> {
    const wait = { everyMs: LOOK_EVERY_MS, timeoutMs: ACCEPTED_TIMEOUT_MS, signal };
    return waitUntil(() => succeeds(peer.workload.call(targetOf(sidecar), signal)), wait);
  }

  async #isAccepted(
    { side, sidecar }: Way,
    authority: X509SigningAuthority,
    caller: SpiffeId,
    signal: AbortSignal,
  ): Promise<boolean> {
    const identity = {
      svid: await forgeSvid(authority, caller),
      peerAuthorities: side.workload.context?.ownRoots ?? [],
    };
    const call = { ...targetOf(sidecar), caller, identity, expected: side.workload.id };
    return succeeds(callOverMtls(call, signal));
  }

  #sum(count: (way: Way) => number): number {
    return this.#ways.reduce((sum, way) => sum + count(way), 0);
  }
}

function envoyOf({ trustDomain }: Side): string {
  return `${nameOf(trustDomain)}’s Envoy`;
}

function targetOf({ port }: Sidecar) {
  return { port, exchange: HTTP };
}

function succeeds(call: Promise<void>): Promise<boolean> {
  return call.then(
    () => true,
    () => false,
  );
}
