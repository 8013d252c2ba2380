// Does an operator see in the events of an object what happened to its peer, each thing once and never too much?
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Condition } from '../../src/federation/conditions.ts';
import { systemClock } from '../../src/federation/clock.ts';
import { openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import type { DeclaredObject } from '../../src/kubernetes/declared-object.ts';
import { PeerEvents } from '../../src/kubernetes/peer-events.ts';
import type { ReportedPeer } from '../../src/kubernetes/peer-status.ts';
import { badGateway } from '../fakes/fake-api-faults.ts';
import { startFakeApiServer, type FakeApiServer } from '../fakes/fake-api-server.ts';
import type { ServedResource, StoredObject } from '../fakes/fake-api-store.ts';
import { FakeClock } from '../fakes/fake-clock.ts';
import type { KubeError } from '../../src/kubernetes/kube-error.ts';
import { conditions, declared, refused, reported, reportOn, root } from './declared-west.ts';

const EVENTS: ServedResource = {
  group: 'events.k8s.io',
  version: 'v1',
  plural: 'events',
  kind: 'Event',
  namespaced: true,
};

let fake: FakeApiServer;
let api: ApiServer;
let clock: FakeClock;
let events: PeerEvents;
let stop: AbortController;
let running: Promise<void>;
let calls: Set<Promise<unknown>>;
let errors: KubeError[];
const onError = (error: KubeError) => void errors.push(error);

beforeEach(async () => {
  fake = await startFakeApiServer();
  api = await openApiServer({ access: await fake.serviceAccount(), clock: systemClock, timeoutMs: 5_000 });
  clock = new FakeClock();
  [stop, calls, errors] = [new AbortController(), new Set(), []];
  const create: ApiServer['create'] = (...args) => {
    const call = api.create(...args);
    const done = call.catch(() => undefined).finally(() => calls.delete(done));
    calls.add(done);
    return call;
  };
  events = new PeerEvents({ api: { create }, clock, identity: 'broker-0', onError });
  running = events.run(stop.signal);
});
afterEach(async () => {
  stop.abort();
  await running;
  api.close();
  await fake.close();
});

/** The lines of the events that this update caused. */
async function update(
  peers: readonly ReportedPeer[],
  objects: readonly DeclaredObject[] = [declared()],
  heldRemovals: readonly string[] = [],
): Promise<readonly string[]> {
  const before = new Set(created());
  events.update(objects, { ...reportOn(objects, peers), heldRemovals });
  await setImmediate();
  while (calls.size > 0) {
    await Promise.all(calls);
    await setImmediate();
  }
  return created()
    .filter((event) => !before.has(event))
    .map(lineOf);
}

/** In the order of their creation. */
const created = () =>
  [...fake.store.list(EVENTS, 'default')].sort(
    ({ metadata: a }, { metadata: b }) => Number(a.resourceVersion) - Number(b.resourceVersion),
  );
const lineOf = (event: StoredObject) => `${String(event['type'])} ${String(event['reason'])}: ${String(event['note'])}`;

function failing(type: Condition['type'], reason: string, message = 'no'): ReportedPeer {
  return reported({ conditions: conditions({ type, status: 'False', reason, message }) });
}

const FIRST_ROOT = `Normal NewRoots: SPIRE holds new X.509 authorities of this trust domain (SHA-256): ${root(1).fingerprint}`;

describe('the events of an object', () => {
  it('say who reports what about which object, in the namespace for what belongs to none', async () => {
    await update([failing('BundleFetched', 'EndpointRefused')]);
    const event = created().find(({ reason }) => reason === 'EndpointRefused');
    assert.ok(event);
    const { metadata, apiVersion, kind, ...rest } = event;
    assert.equal(`${String(apiVersion)} ${String(kind)}`, 'events.k8s.io/v1 Event');
    assert.match(metadata.name, /^west\.[0-9a-f]{16}$/);
    assert.equal(metadata['namespace'], 'default');
    assert.deepEqual(rest, {
      eventTime: '2030-01-01T00:00:00.000000Z',
      type: 'Warning',
      reason: 'EndpointRefused',
      action: 'Federate',
      note: 'BundleFetched: no',
      regarding: {
        apiVersion: 'fedbroker.dev/v1alpha1',
        kind: 'PeerTrustDomain',
        name: 'west',
        uid: 'uid-1',
        resourceVersion: '7',
      },
      reportingController: 'fedbroker.dev/broker',
      reportingInstance: 'broker-0',
    });
  });

  it('tell when a peer becomes ready and why it no longer is, each time once', async () => {
    assert.deepEqual(await update([reported()]), [FIRST_ROOT, 'Normal Ready: Ready is done']);
    assert.deepEqual(await update([reported()]), []);
    const refusedByEndpoint = failing('BundleFetched', 'EndpointRefused');
    assert.deepEqual(await update([refusedByEndpoint]), ['Warning EndpointRefused: BundleFetched: no']);
    assert.deepEqual(await update([failing('BundleFetched', 'EndpointRefused', 'no (attempt 2)')]), []);
    assert.deepEqual(await update([failing('BundleFetched', 'Stale')]), ['Warning Stale: BundleFetched: no']);
  });

  it('say nothing of what nobody knows yet', async () => {
    const unknown = { type: 'BundleFetched', status: 'Unknown', reason: 'NotFetchedYet', message: 'wait' } as const;
    const { bundle, ...starting } = reported({ conditions: conditions(unknown) });
    assert.ok(bundle);
    assert.deepEqual(await update([]), []);
    assert.deepEqual(await update([starting]), []);
    assert.equal((await update([reported()])).length, 2);
    const unreadable = { ...unknown, type: 'BundleStored', reason: 'SpireUnreachable' } as const;
    assert.deepEqual(await update([{ ...starting, conditions: conditions(unreadable) }]), []);
    assert.deepEqual(await update([reported()]), []);
  });

  it('are not repeated by a new leader, who reads the status', async () => {
    await update([reported()]);
    const next = new PeerEvents({ api, clock, identity: 'broker-1', onError });
    const status = {
      conditions: conditions().map((each) => ({ ...each, lastTransitionTime: '2030-01-01T00:00:00Z' })),
      bundle: reported().bundle,
    };
    const objects = [declared({}, status)];
    next.update(objects, reportOn(objects, [reported()]));
    const ended = next.run(stop.signal);
    stop.abort();
    await ended;
    assert.deepEqual(next.counts, { created: 0, failed: 0, dropped: 0 });
  });

  it('name new roots and those that are gone by their fingerprints', async () => {
    await update([reported()]);
    const rotated = (...indexes: number[]) =>
      reported({ bundle: { digest: 'd2', roots: indexes.map(root), jwtKeyIds: [] } });
    const [line] = await update([rotated(1, 2)]);
    assert.ok(line?.endsWith(`: ${root(2).fingerprint}`), line);
    assert.deepEqual(await update([rotated(2)]), []);
    const [many] = await update([rotated(3, 4, 5, 6, 7, 8, 9, 10)]);
    assert.ok(many?.includes(`${root(8).fingerprint} and 2 more; no longer there: ${root(2).fingerprint}`), many);
  });

  it('tell of a held bundle once, as the reason why the peer is not ready', async () => {
    await update([reported()]);
    assert.deepEqual(await update([failing('BundleVerified', 'DisjointRoots', 'held: no root in common')]), [
      'Warning DisjointRoots: BundleVerified: held: no root in common',
    ]);
  });

  it('tell of a refused bundle also when another step is what keeps the peer from being ready', async () => {
    const list = conditions({ type: 'BundleFetched', status: 'False', reason: 'Stale', message: 'old' });
    const both = list.map((each) =>
      each.type === 'BundleVerified' ? { ...each, status: 'False' as const, reason: 'EmptyBundle' } : each,
    );
    assert.deepEqual(await update([reported({ conditions: both })]), [
      'Warning EmptyBundle: BundleVerified: BundleVerified is done',
      FIRST_ROOT,
      'Warning Stale: BundleFetched: old',
    ]);
  });

  it('tell that a peer does not hold what signs for us, though it is ready', async () => {
    const held = { type: 'HoldsOurAuthorities', status: 'True', reason: 'Held', message: 'held' } as const;
    const late = { ...held, status: 'False', reason: 'ActivatesUnheld', message: 'it is late' } as const;
    const withHolding = (holding: Condition) => reported({ conditions: [...conditions(), holding] });
    await update([withHolding(held)]);
    assert.deepEqual(await update([withHolding(late)]), ['Warning ActivatesUnheld: HoldsOurAuthorities: it is late']);
    assert.deepEqual(await update([withHolding(held)]), []);
  });

  it('tell of another writer and of a refused object', async () => {
    await update([reported()]);
    const written = failing('SingleWriter', 'Conflict', 'SPIRE has a relationship');
    assert.deepEqual(await update([written]), ['Warning Conflict: SingleWriter: SPIRE has a relationship']);
    const loser = refused('Conflict', '"east" declares it already', 'Nothing');
    assert.deepEqual(await update([], [{ ...loser, object: declared({ uid: 'uid-2' }).object }]), [
      'Warning Conflict: Accepted: "east" declares it already',
    ]);
  });

  it('do not warn of what an operator asked for', async () => {
    assert.deepEqual((await update([failing('Accepted', 'Suspended', 'spec.suspend is true')])).slice(1), [
      'Normal Suspended: Accepted: spec.suspend is true',
    ]);
  });

  it('tell the end of a removal, when nothing is left of it', async () => {
    await update([reported()]);
    const [deleting] = await update([], [{ ...declared(), deleting: true }]);
    assert.match(deleting ?? '', /^Normal Deleting: /);
    assert.deepEqual(await update([], []), [
      'Normal Removed: trust in west.example was taken away: no entry names it and SPIRE holds no bundle of it',
    ]);
  });

  it('tell no end of a removal that is held, of an object whose list entry is lost, or of a trust domain that stays', async () => {
    const deleting = { ...declared(), deleting: true };
    await update([reported()]);
    assert.deepEqual(await update([reported()], []), []);
    await update([reported()], [deleting]);
    assert.deepEqual(await update([reported()], []), []);
    await update([reported()], [deleting]);
    assert.deepEqual(await update([], [], ['west.example']), []);
  });

  it('are not said again within ten minutes, and are after them', async () => {
    await update([reported()]);
    await update([failing('BundleFetched', 'Stale')]);
    assert.deepEqual(await update([reported()]), []);
    clock.advance(599_999);
    assert.deepEqual(await update([failing('BundleFetched', 'Stale')]), []);
    clock.advance(1);
    assert.deepEqual(await update([reported()]), ['Normal Ready: Ready is done']);
  });

  it('of a peer that comes and goes are few, and do not silence another peer', async () => {
    for (let i = 0; i < 30; i += 1) {
      await update([failing('BundleFetched', `R${i}`)]);
    }
    assert.equal(created().length, 10);
    assert.equal(events.counts.dropped, 21);
    const north = await update([reported({}, 'north')], [declared({ name: 'north', uid: 'uid-north' })]);
    assert.equal(north.length, 2);
    clock.advance(60_000);
    await update([failing('BundleFetched', 'R30')]);
    await update([failing('BundleFetched', 'R31')]);
    assert.equal(created().length, 13);
  });

  it('are few altogether when every peer fails at once', async () => {
    const names = Array.from({ length: 150 }, (_, i) => `p${i}`);
    const peers = names.map((name) => reported({}, name));
    await update(
      peers,
      names.map((name) => declared({ name, uid: name })),
    );
    assert.deepEqual(events.counts, { created: 200, failed: 0, dropped: 100 });
  });

  it('that the API server does not take are counted, and the next one is sent', async () => {
    fake.fail(({ verb }) => verb === 'create', badGateway);
    assert.deepEqual(await update([reported()]), ['Normal Ready: Ready is done']);
    assert.deepEqual(events.counts, { created: 1, failed: 1, dropped: 0 });
    assert.deepEqual(
      errors.map(({ code }) => code),
      ['KubeServerError'],
    );
  });

  it('keep to the lengths that the API server takes', async () => {
    const name = `${'a'.repeat(63)}.`.repeat(3) + 'b'.repeat(61);
    const long = failing('BundleFetched', 'R'.repeat(500), 'ü'.repeat(5_000));
    const object = { ...declared(), object: { ...declared().object, metadata: { name, uid: 'long' } } };
    const peer = { ...long, name };
    await update([peer], [object]);
    const event = created().find(({ type }) => type === 'Warning');
    assert.ok(event);
    assert.equal(event.metadata.name.length, 253);
    assert.ok(Buffer.byteLength(String(event['note'])) <= 1_024);
    assert.match(String(event['note']), /ü…$/);
    assert.ok(Buffer.byteLength(String(event['reason'])) <= 128);
  });
});
