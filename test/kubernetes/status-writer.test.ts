// Is a status written when it says something new, only then, and whatever happens to other objects?
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { systemClock } from '../../src/federation/clock.ts';
import { openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import type { DeclaredObject } from '../../src/kubernetes/declared-object.ts';
import type { KubeError } from '../../src/kubernetes/kube-error.ts';
import type { ReportedPeer } from '../../src/kubernetes/peer-status.ts';
import type { PeerTrustDomainStatus } from '../../src/kubernetes/peer-trust-domain.ts';
import { PeerStatusWriter } from '../../src/kubernetes/status-writer.ts';
import { badGateway, neverAnswers, status as answer } from '../fakes/fake-api-faults.ts';
import type { RequestRecord } from '../fakes/fake-api-routes.ts';
import { startFakeApiServer, type FakeApiServer } from '../fakes/fake-api-server.ts';
import { FakeClock } from '../fakes/fake-clock.ts';
import { conditions, declared, reported, reportOn, root } from './declared-west.ts';
import { peer, PEERS, placeOf } from './west.ts';

const isWriteOf = (name: string) => (request: RequestRecord) => request.verb === 'patch' && request.name === name;

let fake: FakeApiServer;
let api: ApiServer;
let clock: FakeClock;
let writer: PeerStatusWriter;
let stop: AbortController;
let running: Promise<void>;
let errors: KubeError[];
/** Calls under way, and how many there were at most. */
let calls: Set<Promise<unknown>>;
let mostCalls: number;
/** While set, every call waits for it. */
let gate: Promise<void> | undefined;
let openGate: () => void;

beforeEach(async () => {
  fake = await startFakeApiServer([PEERS]);
  api = await openApiServer({ access: await fake.serviceAccount(), clock: systemClock, timeoutMs: 5_000 });
  clock = new FakeClock();
  [stop, errors, calls, mostCalls, gate] = [new AbortController(), [], new Set(), 0, undefined];
  openGate = () => undefined;
  writer = newWriter('broker-0');
  running = writer.run(stop.signal);
});
afterEach(async () => {
  openGate();
  stop.abort();
  await running;
  api.close();
  await fake.close();
});

function newWriter(identity: string): PeerStatusWriter {
  const applyStatus: ApiServer['applyStatus'] = (...args) => {
    const call = (async () => {
      await gate;
      return api.applyStatus(...args);
    })();
    const done = call.catch(() => undefined).finally(() => calls.delete(done));
    calls.add(done);
    mostCalls = Math.max(mostCalls, calls.size);
    return call;
  };
  const onError = (error: KubeError) => errors.push(error);
  return new PeerStatusWriter({
    api: { applyStatus },
    clock,
    random: () => 0.999,
    identity,
    handledOf: () => ({}),
    onError,
  });
}

function create(name = 'west'): DeclaredObject {
  fake.store.create(placeOf(name), { ...peer(name) }, 'kubectl');
  return current(name);
}

/** As the watch would give it. */
function current(name = 'west'): DeclaredObject {
  const { metadata, status } = fake.store.get(placeOf(name));
  return declared(metadata, status);
}

const stored = (name = 'west') => fake.store.get(placeOf(name))['status'] as PeerTrustDomainStatus | undefined;
const writes = (name = 'west') => fake.requests.filter(isWriteOf(name)).length;

/** Until no call is under way and none begins. */
async function settled(): Promise<void> {
  do {
    await Promise.all(calls);
    await setImmediate();
  } while (calls.size > 0);
}

async function update(objects: readonly DeclaredObject[], peers: readonly ReportedPeer[] = [reported()]) {
  writer.update(objects, reportOn(objects, peers));
  await settled();
}

const held = reported({
  conditions: conditions({ type: 'BundleVerified', status: 'False', reason: 'DisjointRoots', message: 'held' }),
});
const moved = (seconds: number) => {
  const at = new Date(clock.now().getTime() + seconds * 1000).toISOString();
  return reported({ lastFetch: { at, result: 'Fetched' }, lastSuccess: at, nextFetch: at });
};
const readyReason = (name?: string) => stored(name)?.conditions?.find(({ type }) => type === 'Ready')?.reason;

describe('a status writer', () => {
  it('writes a status as ours, and nothing more while it stays true', async () => {
    const object = create();
    await update([object]);
    assert.equal(readyReason(), 'Ready');
    assert.equal(stored()?.writer, 'broker-0');
    const [request] = fake.requests.filter(isWriteOf('west'));
    assert.equal(request?.resource, 'peertrustdomains/status');
    assert.equal(request.query.get('fieldManager'), 'spire-federation-broker');
    assert.equal(request.query.get('force'), 'true');
    for (let minutes = 0; minutes < 10; minutes += 1) {
      await update([minutes < 5 ? object : current()]);
      clock.advance(60_000);
    }
    assert.equal(writes(), 1);
  });

  it('writes a change at once, also when the watch has not shown the last write yet', async () => {
    const object = create();
    await update([object]);
    await update([object], [held]);
    assert.equal(readyReason(), 'DisjointRoots');
    await update([object], [reported()]);
    assert.equal(readyReason(), 'Ready');
    assert.equal(writes(), 3);
  });

  it('writes at most once a minute when nothing but times moves', async () => {
    const object = create();
    await update([object]);
    for (let i = 0; i < 100; i += 1) {
      await update([i % 2 === 0 ? object : current()], [moved(i)]);
      clock.advance(500);
    }
    assert.equal(writes(), 1);
    clock.advance(10_000);
    await settled();
    assert.equal(writes(), 2);
    assert.equal(stored()?.nextFetch, '2030-01-01T00:02:28Z');
  });

  it('waits a minute with mere times also after another leader wrote', async () => {
    await update([create()]);
    const next = newWriter('broker-1');
    const ended = next.run(stop.signal);
    const objects = [current()];
    next.update(objects, reportOn(objects, [moved(1)]));
    await settled();
    clock.advance(59_000);
    await settled();
    assert.equal(writes(), 1);
    clock.advance(1_000);
    await settled();
    assert.equal(writes(), 2);
    assert.equal(stored()?.writer, 'broker-1');
    stop.abort();
    await ended;
  });

  it('makes a status true again that somebody else wrote over', async () => {
    await update([create()]);
    const { metadata, ...rest } = fake.store.get(placeOf('west'));
    const foreign = { ...(rest['status'] as object), entriesFederated: 99 };
    fake.store.replace(
      { ...placeOf('west'), subresource: 'status' },
      { ...rest, metadata, status: foreign },
      'kubectl',
    );
    await update([current()]);
    assert.equal(writes(), 1);
    clock.advance(60_000);
    await update([current()]);
    assert.equal(writes(), 2);
    assert.deepEqual(errors, []);
    assert.notEqual(stored()?.entriesFederated, 99);
  });

  it('goes on with other objects while one fails, and tries that one again later and later', async () => {
    const objects = ['west', 'north', 'south'].map(create);
    const peers = ['west', 'north', 'south'].map((name) => reported({}, name));
    fake.fail(isWriteOf('west'), badGateway, 2);
    await update(objects, peers);
    assert.deepEqual([readyReason('north'), readyReason('south'), stored('west')], ['Ready', 'Ready', undefined]);
    clock.advance(998);
    await settled();
    assert.equal(writes('west'), 1);
    clock.advance(1);
    await settled();
    assert.equal(writes('west'), 2);
    await update(objects, peers);
    clock.advance(1_900);
    await settled();
    assert.equal(writes('west'), 2);
    clock.advance(100);
    await settled();
    assert.equal(readyReason('west'), 'Ready');
    assert.equal(errors.length, 2);
    assert.deepEqual([writes('north'), writes('south')], [1, 1]);
  });

  it('never has more than four writes under way', async () => {
    const names = Array.from({ length: 20 }, (_, i) => `p${i}`);
    gate = new Promise((resolve) => (openGate = resolve));
    const objects = names.map(create);
    const peers = names.map((name) => reported({}, name));
    writer.update(objects, reportOn(objects, peers));
    await setImmediate();
    assert.equal(calls.size, 4);
    openGate();
    await settled();
    assert.equal(mostCalls, 4);
    assert.deepEqual(
      names.map((name) => writes(name)),
      names.map(() => 1),
    );
  });

  it('writes the newest when it changed during a write', async () => {
    const object = create();
    gate = new Promise((resolve) => (openGate = resolve));
    writer.update([object], reportOn([object], [reported()]));
    await setImmediate();
    const other = reported({ bundle: { digest: 'd2', roots: [root(2)], jwtKeyIds: [] } });
    writer.update([object], reportOn([object], [other]));
    openGate();
    await settled();
    assert.equal(stored()?.bundle?.digest, 'd2');
    assert.equal(writes(), 2);
  });

  it('waits for the watch when somebody else changed the object meanwhile', async () => {
    const object = create();
    await update([object]);
    fake.store.patch(placeOf('west'), 'application/merge-patch+json', { metadata: { labels: { a: 'b' } } }, 'kubectl');
    await update([object], [held]);
    await update([object], [held]);
    assert.deepEqual([readyReason(), writes(), errors.length], ['Ready', 2, 0]);
    await update([current()], [held]);
    assert.deepEqual([readyReason(), writes(), errors.length], ['DisjointRoots', 3, 0]);
  });

  it('gives up an object that is gone, without a word', async () => {
    const object = create();
    fake.store.delete(placeOf('west'), undefined);
    await update([object]);
    clock.advance(600_000);
    await update([object]);
    assert.deepEqual([writes(), errors.length], [1, 0]);
  });

  it('never writes an object of the same name that came later', async () => {
    const object = create();
    fake.store.delete(placeOf('west'), undefined);
    create();
    await update([object]);
    clock.advance(600_000);
    await update([object]);
    assert.deepEqual([writes(), stored(), errors.length], [1, undefined, 0]);
    await update([current()]);
    assert.equal(readyReason(), 'Ready');
  });

  it('writes an object that is being deleted until it is gone', async () => {
    fake.store.create(placeOf('west'), { ...peer('west'), metadata: { name: 'west', finalizers: ['x/y'] } }, 'kubectl');
    await update([current()]);
    fake.store.delete(placeOf('west'), undefined);
    await update([{ ...current(), deleting: true }]);
    assert.equal(readyReason(), 'Deleting');
    await update([]);
    clock.advance(600_000);
    await settled();
    assert.equal(writes(), 2);
  });

  it('says what is forbidden', async () => {
    fake.fail(isWriteOf('west'), answer(403, 'Forbidden', 'peertrustdomains "west" is forbidden'));
    await update([create()]);
    assert.equal(errors[0]?.code, 'KubeForbidden');
    assert.match(errors[0].message, /grant verb "patch" on resource "peertrustdomains\/status/);
  });

  it('ends with its signal, a write under way included', async () => {
    fake.fail(isWriteOf('west'), neverAnswers);
    const object = create();
    writer.update([object], reportOn([object], [reported()]));
    await setImmediate();
    stop.abort();
    await running;
    assert.equal(errors.length, 0);
  });
});
