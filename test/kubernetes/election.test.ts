// Does at most one replica lead, and is there soon a new leader when it goes? Time stands still until a test moves it.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { sleep, systemClock } from '../../src/federation/clock.ts';
import { openApiServer } from '../../src/kubernetes/api-server.ts';
import { ELECTION_TIMES, runElection } from '../../src/kubernetes/election.ts';
import type { KubeError } from '../../src/kubernetes/kube-error.ts';
import { LEASES } from '../../src/kubernetes/lease.ts';
import { BROKER_OF } from '../../src/kubernetes/managed-by.ts';
import { startFakeApiServer } from '../fakes/fake-api-server.ts';
import { FakeClock } from '../fakes/fake-clock.ts';
import { EAST, WEST } from '../federation/samples.ts';
import { LeaseTable, type Passage } from './lease-table.ts';

/** Lets everything run that waits for nothing but other promises. */
async function settle(): Promise<void> {
  for (let i = 0; i < 4; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function pass(clock: FakeClock, ms: number, stepMs = 250): Promise<void> {
  for (let left = ms; left > 0; left -= stepMs) {
    clock.advance(Math.min(stepMs, left));
    await settle();
  }
}

/** The limit is a safety net. */
async function until(satisfied: () => boolean): Promise<void> {
  for (const endsAt = Date.now() + 8_000; !satisfied();) {
    assert.ok(Date.now() < endsAt, 'never');
    await sleep(systemClock, 10, new AbortController().signal);
  }
}

class Replica {
  readonly identity: string;
  passage: Passage = 'Open';
  leading = false;
  terms = 0;
  leader: string | undefined;
  readonly errors: KubeError[] = [];
  readonly #stop = new AbortController();
  readonly done: Promise<void>;
  /** Ends the work by itself. */
  finishWork: () => void = () => undefined;
  /** Work that needs a while to stop waits for this. */
  mayStop: Promise<void> = Promise.resolve();

  constructor(identity: string, table: LeaseTable, clock: FakeClock, random = 0.5, ownTrustDomain = EAST) {
    this.identity = identity;
    const options = {
      api: table.reachedBy(clock, () => this.passage),
      clock,
      random: () => random,
      name: 'broker',
      namespace: 'spire',
      ownTrustDomain,
      identity,
      onLeader: (leader: string | undefined) => (this.leader = leader),
      onError: (error: KubeError) => this.errors.push(error),
    };
    this.done = runElection(options, (signal) => this.#work(signal), this.#stop.signal);
  }

  stop(): Promise<void> {
    this.#stop.abort();
    return this.done;
  }

  async #work(signal: AbortSignal): Promise<void> {
    this.terms += 1;
    this.leading = true;
    await new Promise<void>((resolve) => {
      this.finishWork = resolve;
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => {
        resolve();
      });
    });
    await this.mayStop;
    this.leading = false;
  }
}

async function elect(...identities: readonly string[]) {
  const [clock, table] = [new FakeClock(), new LeaseTable()];
  const replicas: Replica[] = [];
  for (const identity of identities) {
    replicas.push(new Replica(identity, table, clock));
    await settle();
  }
  return { clock, table, replicas: replicas as [Replica, Replica], first: replicas[0]!, second: replicas[1]! };
}

describe('the first replica', () => {
  it('leads at once and keeps leading, the others know who', async () => {
    const { clock, first, second } = await elect('a', 'b');
    await pass(clock, 120_000);
    assert.deepEqual([first.leading, first.terms, second.leading, second.terms], [true, 1, false, 0]);
    assert.deepEqual([first.leader, second.leader], ['a', 'a']);
    assert.deepEqual([first.errors, second.errors], [[], []]);
    await Promise.all([first.stop(), second.stop()]);
    assert.equal(clock.pending, 0);
  });

  it('goes on when somebody puts a label on the Lease', async () => {
    const { clock, table, first } = await elect('a');
    await pass(clock, 5_000);
    const place = { resource: LEASES, namespace: 'spire', name: 'broker', subresource: undefined };
    table.store.patch(place, 'application/merge-patch+json', { metadata: { labels: { team: 'x' } } }, 'kubectl');
    await pass(clock, 60_000);
    assert.deepEqual([first.leading, first.terms], [true, 1]);
    assert.deepEqual(table.store.get(place).metadata['labels'], { team: 'x' });
    await first.stop();
  });

  it('goes on when the answer to a renewal is lost', async () => {
    const { clock, first } = await elect('a');
    for (let i = 0; i < 5; i += 1) {
      first.passage = 'AnswerLost';
      await pass(clock, 2_000);
      first.passage = 'Open';
      await pass(clock, 6_000);
    }
    assert.deepEqual([first.leading, first.terms], [true, 1]);
    await first.stop();
  });
});

describe('the hand-over', () => {
  it('takes less than 2 s when the leader stops in order', async () => {
    const { clock, table, first, second } = await elect('a', 'b');
    await pass(clock, 30_000);
    await first.stop();
    assert.equal(table.holder, undefined);
    await pass(clock, 1_250);
    assert.deepEqual([first.leading, second.leading, second.leader], [false, true, 'b']);
    await second.stop();
  });

  it('waits until the work has really stopped', async () => {
    const { clock, table, first, second } = await elect('a', 'b');
    let allow: () => void = () => undefined;
    first.mayStop = new Promise((resolve) => (allow = resolve));
    const stopped = first.stop();
    await pass(clock, 3_000);
    assert.deepEqual([first.leading, table.holder, second.leading], [true, 'a', false]);
    allow();
    await stopped;
    await pass(clock, 1_250);
    assert.equal(second.leading, true);
    await second.stop();
  });

  it('comes within the lease duration when the leader is killed, and not before it would have stopped by itself', async () => {
    const { clock, first, second } = await elect('a', 'b');
    await pass(clock, 30_000);
    first.passage = 'Hangs';
    await pass(clock, ELECTION_TIMES.renewDeadlineMs - 500);
    assert.equal(second.leading, false);
    await pass(clock, ELECTION_TIMES.leaseDurationMs - ELECTION_TIMES.renewDeadlineMs + 500);
    assert.equal(second.leading, true);
    await second.stop();
  });

  it('happens also when the work ends by itself', async () => {
    const { clock, first, second } = await elect('a', 'b');
    first.finishWork();
    await first.done;
    await pass(clock, 1_250);
    assert.equal(second.leading, true);
    await second.stop();
  });
});

describe('a leader that cannot reach the API server', () => {
  for (const passage of ['Hangs', 'RequestLost', 'AnswerLost'] as const) {
    it(`stops at the renew deadline (${passage}), says why, and leads again later`, async () => {
      const { clock, first } = await elect('a');
      await pass(clock, 30_000);
      first.passage = passage;
      await pass(clock, ELECTION_TIMES.renewDeadlineMs - 2_500);
      assert.equal(first.leading, true);
      await pass(clock, 2_500);
      assert.equal(first.leading, false);
      assert.equal(first.leader, undefined);
      first.passage = 'Open';
      await pass(clock, 20_000);
      assert.deepEqual([first.leading, first.terms], [true, 2]);
      await first.stop();
    });
  }
});

describe('a leader', () => {
  it('that was stopped for longer than its time writes nothing when it goes on, and steps back', async () => {
    const { clock, table, first } = await elect('a');
    const place = { resource: LEASES, namespace: 'spire', name: 'broker', subresource: undefined };
    const spec = { holderIdentity: 'b', renewTime: '2030-01-01T00:00:00.000000Z' };
    table.store.patch(place, 'application/merge-patch+json', { spec }, 'kubectl');
    const before = table.writesAsked;
    await clock.wake(60_000, settle);
    assert.deepEqual([first.leading, table.writesAsked], [false, before]);
    await pass(clock, 2_500);
    assert.equal(first.leader, 'b');
    await first.stop();
  });

  it('stops at once when another holds the Lease', async () => {
    const { clock, table, first } = await elect('a');
    const place = { resource: LEASES, namespace: 'spire', name: 'broker', subresource: undefined };
    const spec = { holderIdentity: 'intruder', renewTime: '2030-01-01T00:00:00.000000Z' };
    table.store.patch(place, 'application/merge-patch+json', { spec }, 'kubectl');
    await pass(clock, 2_500);
    assert.deepEqual([first.leading, first.leader], [false, 'intruder']);
    await first.stop();
  });

  it('stops when the Lease is deleted, and takes it anew', async () => {
    const { clock, table, first } = await elect('a');
    table.store.delete({ resource: LEASES, namespace: 'spire', name: 'broker', subresource: undefined }, undefined);
    await pass(clock, 4_000);
    assert.deepEqual([first.leading, first.terms, table.holder], [true, 2, 'a']);
    await first.stop();
  });

  it('whose work fails gives the Lease back and fails', async () => {
    const [clock, table] = [new FakeClock(), new LeaseTable()];
    const options = { api: table.reachedBy(clock, () => 'Open'), clock, random: () => 0.5, identity: 'a' };
    const told = {
      name: 'broker',
      namespace: 'spire',
      ownTrustDomain: EAST,
      onLeader: () => undefined,
      onError: () => undefined,
    };
    const broken = () => Promise.reject(new Error('work broken'));
    await assert.rejects(runElection({ ...options, ...told }, broken, new AbortController().signal), /work broken/);
    assert.equal(table.holder, undefined);
  });
});

describe('the Lease', () => {
  it('of the broker of another trust domain is left alone, also when nobody holds it, and the error says what to set', async () => {
    const [clock, table] = [new FakeClock(), new LeaseTable()];
    const [east, west] = [new Replica('a', table, clock), new Replica('b', table, clock, 0.5, WEST)];
    await pass(clock, 5_000);
    await east.stop();
    await pass(clock, 60_000);
    assert.deepEqual([west.leading, west.terms, table.holder], [false, 0, undefined]);
    const { code, message } = west.errors[0]!;
    assert.equal(code, 'KubeAlreadyExists');
    assert.match(message, /is that of the broker of east\.example; set leaseName/);
    await west.stop();
  });

  it('of an earlier version, which did not say whose it is, is taken over and says so from then on', async () => {
    const [clock, table] = [new FakeClock(), new LeaseTable()];
    const ref = { resource: LEASES, namespace: 'spire', name: 'broker', subresource: undefined };
    table.store.create(ref, { metadata: { name: 'broker', namespace: 'spire' }, spec: {} }, 'earlier');
    const replica = new Replica('a', table, clock);
    await pass(clock, 5_000);
    assert.equal(replica.leading, true);
    assert.deepEqual(table.store.list(LEASES, 'spire')[0]!.metadata['annotations'], { [BROKER_OF]: EAST });
    await replica.stop();
  });

  it('counts terms and holders as other tools expect', async () => {
    const { clock, table, first, second } = await elect('a', 'b');
    await pass(clock, 5_000);
    const specOf = () => table.store.list(LEASES, 'spire')[0]!['spec'] as Readonly<Record<string, unknown>>;
    assert.deepEqual(
      [specOf()['holderIdentity'], specOf()['leaseDurationSeconds'], specOf()['leaseTransitions']],
      ['a', 15, 0],
    );
    assert.match(String(specOf()['renewTime']), /^2030-01-01T00:00:\d\d\.\d{6}Z$/);
    await first.stop();
    await pass(clock, 1_250);
    assert.deepEqual([specOf()['holderIdentity'], specOf()['leaseTransitions']], ['b', 1]);
    await second.stop();
  });
});

describe('over real connections', () => {
  it('one of two leads; when the API server goes it stops, and when it is back one of them leads', async () => {
    const fake = await startFakeApiServer();
    const access = await fake.serviceAccount();
    const [stop, leading] = [new AbortController(), new Set<string>()];
    const errors: string[] = [];
    let most = 0;
    const replicas = ['a', 'b'].map(async (identity) => {
      const api = await openApiServer({ access, clock: systemClock, timeoutMs: 1_000 });
      const options = {
        ...{ api, clock: systemClock, random: Math.random, name: 'broker', namespace: 'spire', identity },
        times: { leaseDurationMs: 1_000, renewDeadlineMs: 600, renewMs: 100, candidateMs: 50 },
        ownTrustDomain: EAST,
        onLeader: () => undefined,
        onError: ({ code }: KubeError) => errors.push(code),
      };
      const lead = async (signal: AbortSignal) => {
        leading.add(identity);
        most = Math.max(most, leading.size);
        await sleep(systemClock, 60_000, signal);
        leading.delete(identity);
      };
      await runElection(options, lead, stop.signal);
      api.close();
    });
    await until(() => leading.size === 1);
    await fake.stop();
    await until(() => leading.size === 0);
    assert.ok(errors.includes('KubeUnreachable'), errors.join());
    await fake.listen();
    await until(() => leading.size === 1);
    stop.abort();
    await Promise.all(replicas);
    assert.equal(most, 1);
    const place = { resource: LEASES, namespace: 'spire', name: 'broker', subresource: undefined };
    assert.equal((fake.store.get(place)['spec'] as { holderIdentity?: string }).holderIdentity, undefined);
    await fake.close();
  });
});

const PASSAGES = ['Open', 'Open', 'Open', 'RequestLost', 'AnswerLost', 'Hangs'] as const;

describe('whatever happens on the way to the API server', () => {
  it('never do two lead, and when the way is open again one does', async () => {
    const step = fc.record({
      replica: fc.nat(2),
      passage: fc.constantFrom(...PASSAGES),
      ms: fc.integer({ min: 100, max: 12_000 }),
    });
    const property = fc.asyncProperty(
      fc.array(step, { maxLength: 25 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      async (steps, random) => {
        const [clock, table] = [new FakeClock(), new LeaseTable()];
        const replicas = ['a', 'b', 'c'].map((identity) => new Replica(identity, table, clock, random));
        const leaders = () => replicas.filter(({ leading }) => leading).length;
        await settle();
        for (const { replica, passage, ms } of steps) {
          replicas[replica]!.passage = passage;
          for (let left = ms; left > 0; left -= 500) {
            await pass(clock, Math.min(500, left), 500);
            assert.ok(leaders() <= 1, `${leaders()} leaders`);
          }
        }
        for (const replica of replicas) replica.passage = 'Open';
        await pass(clock, 20_000, 500);
        assert.equal(leaders(), 1);
        await Promise.all(replicas.map((replica) => replica.stop()));
        assert.equal(leaders(), 0);
      },
    );
    await fc.assert(property, { numRuns: 60 });
  });
});
