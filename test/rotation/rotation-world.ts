// What is a rotation led on in tests? An embedded SPIRE over a real socket, agents and peers that follow, and a clock
// that only the test moves.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import { bundleDigest, fingerprint } from '../../src/bundle/bundle.ts';
import { startDevSpire, type DevSpire } from '../../src/dev-spire/dev-spire.ts';
import type { Acknowledgement } from '../../src/federation/acknowledgement.ts';
import type { AuthorityKind } from '../../src/rotation/authority-times.ts';
import { leadRotation, type RotationEnd, type RotationPorts } from '../../src/rotation/lead-rotation.ts';
import type { RotationStep } from '../../src/rotation/next-rotation-step.ts';
import { rotationReadiness } from '../../src/rotation/readiness.ts';
import { openSpireServer, type SpireServerClient } from '../../src/spire/spire-server.ts';
import { FakeClock } from '../fakes/fake-clock.ts';
import { EAST, HINT_SECONDS } from './samples.ts';

export const TIMES = {
  servedAtLeastSeconds: 15,
  revokeAfterSeconds: 300,
  callEndsWithinSeconds: 30,
  notAgainWithinSeconds: 300,
};
const POLL_MS = 60_000;
const AGENT_TTL_MS = 3_600_000;

/** The process dies: what is under way never ends. */
export interface Kill {
  /** Which write, from 1. */
  readonly nth: number;
  /** Whether SPIRE did it all the same. */
  readonly done: boolean;
}

export interface Led {
  readonly end: RotationEnd | 'Killed';
  readonly steps: readonly RotationStep[];
  /** In order, for example `records.write`, `prepare`. */
  readonly writes: readonly string[];
}

export class RotationWorld {
  readonly clock = new FakeClock();
  readonly dev: DevSpire;
  readonly spire: SpireServerClient;
  readonly acknowledgements = new Map<TrustDomain, Acknowledgement>();
  readonly peers: TrustDomain[] = [];
  /** Called at each turn of the clock, for what a test lets happen meanwhile. */
  onTurn: () => Promise<void> | void = () => undefined;
  brokerAnswers = true;
  /** What the command puts around the ports. */
  around: (ports: RotationPorts) => RotationPorts = (ports) => ports;
  readonly #folder: string;
  readonly #agents = new Map<string, { readonly until: Date; readonly signedBy: string }>();
  readonly #startedAt = this.clock.now();

  private constructor(dev: DevSpire, folder: string, clock: FakeClock) {
    this.dev = dev;
    this.clock = clock;
    this.#startedAt = clock.now();
    this.#folder = folder;
    this.spire = openSpireServer({ socketPath: dev.socketPath, trustDomain: EAST });
  }

  static async start(options: { readonly caLifetimeSeconds?: number } = {}): Promise<RotationWorld> {
    const folder = mkdtempSync(join(tmpdir(), 'fb-rotation-'));
    const clock = new FakeClock();
    const now = () => clock.now();
    const dev = await startDevSpire({ trustDomain: EAST, socketPath: join(folder, 'api.sock'), now, ...options });
    return new RotationWorld(dev, folder, clock);
  }

  async stop(): Promise<void> {
    this.spire.close();
    await this.dev.stop();
    rmSync(this.#folder, { recursive: true });
  }

  /** Its SVID is half through its life. */
  addAgent(path: string): void {
    this.#renew(path, AGENT_TTL_MS / 2);
  }

  /** Whose SVIDs the old authority signed. */
  agentsSignedBy(id: string): readonly string[] {
    return [...this.#agents].flatMap(([path, { signedBy }]) => (signedBy === id ? [path] : []));
  }

  /** The peer applies what our bundle is now, and says so. */
  async apply(trustDomain: TrustDomain): Promise<void> {
    const bundle = await this.spire.readOwnBundle();
    const holds = {
      etag: '"x"',
      digest: bundleDigest(bundle),
      sequenceNumber: bundle.sequenceNumber,
      x509Authorities: bundle.x509Authorities.map(fingerprint),
      jwtKeyIds: bundle.jwtAuthorities.map(({ keyId }) => keyId),
      servedSince: this.clock.now(),
    };
    const at = this.clock.now();
    const before = this.acknowledgements.get(trustDomain);
    const since = before?.holds?.digest === holds.digest ? before.since : undefined;
    this.acknowledgements.set(trustDomain, { trustDomain, at, holds, since: since ?? at });
  }

  holds(trustDomain: TrustDomain): readonly string[] {
    const holds = this.acknowledgements.get(trustDomain)?.holds;
    return [...(holds?.x509Authorities ?? []), ...(holds?.jwtKeyIds ?? [])];
  }

  /** Runs to the end, moving the clock whenever it waits. */
  async lead(
    order: {
      readonly kind?: AuthorityKind;
      readonly taintOld?: boolean;
      readonly revokeOld?: boolean;
      readonly timeoutMs?: number;
      readonly run?: string;
    } = {},
    kill?: Kill,
  ): Promise<Led> {
    const { kind = 'x509', taintOld = false, revokeOld = false, timeoutMs = 24 * AGENT_TTL_MS, run = 'first' } = order;
    const steps: RotationStep[] = [];
    const writes: string[] = [];
    const stop = new AbortController();
    let died: () => void = () => undefined;
    const killed = new Promise<'Killed'>((resolve) => {
      died = () => {
        resolve('Killed');
      };
    });
    const ports = this.#ports(async (name, write) => {
      if (stop.signal.aborted) return new Promise<never>(() => undefined);
      writes.push(name);
      if (writes.length !== kill?.nth) return write();
      if (kill.done) await write();
      died();
      return new Promise<never>(() => undefined);
    });
    const progress = { ended: false };
    const leading = leadRotation(
      { kind, asked: { taintOld: taintOld || revokeOld, revokeOld }, times: TIMES, run },
      {
        ports: this.around(ports),
        clock: this.clock,
        pollMs: POLL_MS,
        timeoutMs,
        onStep: (step) => steps.push(step),
        signal: stop.signal,
      },
    );
    const end = Promise.race([leading, killed]).finally(() => {
      progress.ended = true;
      stop.abort();
    });
    const turning = (async () => {
      for (let turns = 0; !progress.ended; turns++) {
        assert.ok(turns < 200_000, `it does not end: ${JSON.stringify(steps.at(-1))}`);
        if (this.clock.pending > 0) await this.#turn();
        await setImmediate();
      }
    })();
    const [result] = await Promise.all([end, turning]);
    return { end: result, steps, writes };
  }

  async #turn(): Promise<void> {
    this.clock.advance(POLL_MS);
    for (const [path, { until }] of this.#agents) {
      if (until.getTime() - this.clock.now().getTime() < AGENT_TTL_MS / 2) this.#renew(path, AGENT_TTL_MS);
    }
    await this.onTurn();
  }

  #renew(path: string, ttlMs: number): void {
    const until = new Date(this.clock.now().getTime() + ttlMs);
    this.#agents.set(path, { until, signedBy: this.dev.x509.activeId });
    this.dev.noteAgent({ path, svidExpiresAt: until });
  }

  #ports(write: (name: string, work: () => Promise<unknown>) => Promise<unknown>): RotationPorts {
    const { localAuthorities, rotation } = this.spire;
    const wrapped = (kind: AuthorityKind) => {
      const authority = localAuthorities[kind];
      const step =
        (name: 'activate' | 'taint' | 'revoke') =>
        async (id: string): ReturnType<typeof authority.activate> =>
          (await write(name, () => authority[name](id))) as Awaited<ReturnType<typeof authority.activate>>;
      return {
        state: () => authority.state(),
        prepare: async () =>
          (await write('prepare', () => authority.prepare())) as Awaited<ReturnType<typeof authority.prepare>>,
        ...{ activate: step('activate'), taint: step('taint'), revoke: step('revoke') },
      };
    };
    return {
      readAgentExpiries: () => rotation.readAgentExpiries(),
      readPublished: () => rotation.readPublished(),
      authorities: { x509: wrapped('x509'), jwt: wrapped('jwt') },
      records: {
        read: () => rotation.records.read(),
        write: async (record) => {
          await write('record', () => rotation.records.write(record));
        },
        forget: () => rotation.records.forget(),
      },
      askBroker: async () => {
        if (!this.brokerAnswers) return undefined;
        const [x509, jwt] = [await localAuthorities.x509.state(), await localAuthorities.jwt.state()];
        return rotationReadiness({
          now: this.clock.now(),
          states: { x509, jwt },
          ownBundle: await this.spire.readOwnBundle(),
          peers: this.peers,
          acknowledgements: this.acknowledgements,
          refreshHintSeconds: HINT_SECONDS,
          seenSince: new Map(),
          listeningSince: this.#startedAt,
        });
      },
    };
  }
}
