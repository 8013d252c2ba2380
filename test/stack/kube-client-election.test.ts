// Does one replica lead at any time, by a Lease on a real API server, and how long does nobody?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { systemClock } from '../../src/federation/clock.ts';
import { openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import { runElection, type ElectionTimes } from '../../src/kubernetes/election.ts';
import { KubeError } from '../../src/kubernetes/kube-error.ts';
import { leaseRecordOf, LEASES, type LeaseRecord } from '../../src/kubernetes/lease.ts';
import { NAMESPACE } from '../contract/kube-subject.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { startKubeApiServer } from './harness/kube-api-server.ts';

const TIMES: ElectionTimes = { leaseDurationMs: 3_000, renewDeadlineMs: 2_000, renewMs: 500, candidateMs: 200 };
const LEASE = { resource: LEASES, namespace: NAMESPACE, name: 'broker' };
const HAND_OVER_MS = 2_000;
/** What the API server and two polls take on a busy machine. */
const LEEWAY_MS = 1_000;

interface Term {
  readonly identity: string;
  readonly fromMs: number;
  toMs: number | undefined;
}

describe('three replicas and a Lease on a real API server', () => {
  const cleanup = new Cleanup();
  const terms: Term[] = [];
  const history: LeaseRecord[] = [];
  const candidates: Candidate[] = [];
  let api: ApiServer;

  before(async () => {
    const server = await startKubeApiServer(cleanup, { name: 'election' });
    api = await openApiServer({ access: { path: server.kubeconfigPath }, clock: systemClock, timeoutMs: 10_000 });
    const stop = new AbortController();
    const { resourceVersion } = await api.list({ resource: LEASES, namespace: NAMESPACE });
    const recording = record(resourceVersion, stop.signal);
    cleanup.add(async () => {
      stop.abort();
      await recording;
      api.close();
    });
    candidates.push(...['a', 'b', 'c'].map((identity) => stand(identity)));
  });
  after(async () => {
    await Promise.all(candidates.map(({ leave }) => leave()));
    await cleanup.run();
  });

  async function record(resourceVersion: string, signal: AbortSignal): Promise<void> {
    const selection = { resource: LEASES, namespace: NAMESPACE, fieldSelector: 'metadata.name=broker' };
    const request = { resourceVersion, timeoutSeconds: 600, idleMs: 600_000, signal };
    try {
      for await (const events of api.watch(selection, request)) {
        for (const { type, object } of events) if (type !== 'BOOKMARK') history.push(leaseRecordOf(object));
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  interface Candidate {
    readonly identity: string;
    /** As a process that is killed: not a word to the API server any more. */
    fallSilent(): void;
    readonly leave: () => Promise<void>;
  }

  function stand(identity: string): Candidate {
    const stop = new AbortController();
    let silent = false;
    const unless = <T>(call: () => Promise<T>): Promise<T> =>
      silent ? Promise.reject(new KubeError('KubeConnectionLost', 'silent')) : call();
    const reached: Pick<ApiServer, 'get' | 'create' | 'replace'> = {
      get: (...args) => unless(() => api.get(...args)),
      create: (...args) => unless(() => api.create(...args)),
      replace: (...args) => unless(() => api.replace(...args)),
    };
    const quiet = () => undefined;
    const who = {
      identity,
      name: LEASE.name,
      namespace: LEASE.namespace,
      ownTrustDomain: parseTrustDomain('east.test'),
    };
    const by = { api: reached, clock: systemClock, random: Math.random, onLeader: quiet, onError: quiet };
    const running = runElection(
      { ...who, ...by, times: TIMES },
      async (signal) => {
        const term: Term = { identity, fromMs: performance.now(), toMs: undefined };
        terms.push(term);
        await new Promise((resolve) => {
          signal.addEventListener('abort', resolve, { once: true });
        });
        term.toMs = performance.now();
      },
      stop.signal,
    );
    return {
      identity,
      fallSilent() {
        silent = true;
      },
      leave: () => {
        stop.abort();
        return running;
      },
    };
  }

  const leader = () =>
    eventually('one leads', () => {
      const term = terms.at(-1);
      return term?.toMs === undefined && candidates.find(({ identity }) => identity === term?.identity);
    });
  const nextTerm = (count: number) => eventually('another leads', () => terms[count], { intervalMs: 20 });

  it('is held by one of them, and goes on to be', async () => {
    const first = await leader();
    const renewals = history.length;
    await eventually('the Lease is renewed three times', () => history.length >= renewals + 3);
    assert.deepEqual([...new Set(history.map(({ holder }) => holder))], [first.identity]);
    assert.equal(terms.length, 1);
  });

  it('is handed over within two seconds by a leader that leaves', async () => {
    const left = await leader();
    const [count, sinceMs] = [terms.length, performance.now()];
    await left.leave();
    const { identity, fromMs } = await nextTerm(count);
    assert.notEqual(identity, left.identity);
    assert.ok(fromMs - sinceMs < HAND_OVER_MS, `it took ${Math.round(fromMs - sinceMs)} ms`);
  });

  it('is taken from a leader that falls silent, within its duration', async () => {
    const silent = await leader();
    const [count, sinceMs] = [terms.length, performance.now()];
    silent.fallSilent();
    const { identity, fromMs } = await nextTerm(count);
    assert.notEqual(identity, silent.identity);
    const limitMs = TIMES.leaseDurationMs + LEEWAY_MS;
    assert.ok(fromMs - sinceMs < limitMs, `it took ${Math.round(fromMs - sinceMs)} ms`);
  });

  it('has never had two holders: each began when the one before had ended, or could no longer act', () => {
    assert.equal(terms.length, 3);
    for (const [index, term] of terms.entries()) {
      const earlier = terms[index - 1];
      assert.ok(earlier === undefined || earlier.toMs! <= term.fromMs, `${term.identity} began too early`);
    }
    const holders = history.map(({ holder }) => holder).filter((holder, index, all) => holder !== all[index - 1]);
    assert.deepEqual(holders, [terms[0]!.identity, undefined, terms[1]!.identity, terms[2]!.identity]);
    const taken = history.findIndex(({ holder }) => holder === terms[2]!.identity);
    const silenceMs = Date.parse(history[taken]!.acquireTime!) - Date.parse(history[taken - 1]!.renewTime!);
    assert.ok(silenceMs > TIMES.renewDeadlineMs, `taken after ${silenceMs} ms of silence`);
    const transitions = history.map((each) => each.transitions);
    assert.deepEqual(
      transitions,
      [...transitions].sort((a, b) => a - b),
    );
  });
});
