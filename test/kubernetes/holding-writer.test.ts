// Do replicas tell each other what a peer holds, at once when it is news and rarely when it is not?
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import type { Acknowledgement, ServedBundle } from '../../src/federation/acknowledgement.ts';
import { systemClock } from '../../src/federation/clock.ts';
import { openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import type { DeclaredObject } from '../../src/kubernetes/declared-object.ts';
import { HoldingWriter } from '../../src/kubernetes/holding-writer.ts';
import type { KubeError } from '../../src/kubernetes/kube-error.ts';
import { toldHolding } from '../../src/kubernetes/peer-holding.ts';
import { badGateway } from '../fakes/fake-api-faults.ts';
import { startFakeApiServer, type FakeApiServer } from '../fakes/fake-api-server.ts';
import { FakeClock } from '../fakes/fake-clock.ts';
import { declared } from './declared-west.ts';
import { peer, PEERS, placeOf } from './west.ts';

const WEST = parseTrustDomain('west.example');
const SAFETY_NET_MS = 20_000;

describe('a replica that tells what peers hold', () => {
  let fake: FakeApiServer;
  let api: ApiServer;
  let clock: FakeClock;
  let stop: AbortController;
  let errors: KubeError[];
  let running: Promise<void>[];
  let writers: HoldingWriter[];

  beforeEach(async () => {
    fake = await startFakeApiServer([PEERS]);
    api = await openApiServer({ access: await fake.serviceAccount(), clock: systemClock, timeoutMs: 5_000 });
    [clock, stop, errors, running, writers] = [new FakeClock(), new AbortController(), [], [], []];
    fake.store.create(placeOf('west'), { ...peer('west') }, 'kubectl');
  });
  afterEach(async () => {
    stop.abort();
    await Promise.all(running);
    api.close();
    await fake.close();
  });

  function replica(identity: string): HoldingWriter {
    const writer = new HoldingWriter({ api, clock, identity, onError: (error) => errors.push(error) });
    writers.push(writer);
    running.push(writer.run(stop.signal));
    writer.update([current()]);
    return writer;
  }

  /** As the watch would give it. */
  function current(): DeclaredObject {
    const { metadata, status, spec } = fake.store.get(placeOf('west'));
    const made = declared(metadata, status);
    return { ...made, object: { ...made.object, spec } };
  }

  function served(etag: string): ServedBundle {
    const digest = etag.repeat(4);
    const lists = { x509Authorities: [digest], jwtKeyIds: ['k1'] };
    return { etag, digest, sequenceNumber: 41n, ...lists, servedSince: new Date('2029-12-31T00:00:00Z') };
  }

  const seen = (etag?: string): Acknowledgement => {
    return { trustDomain: WEST, at: clock.now(), holds: etag === undefined ? undefined : served(etag) };
  };
  const told = () => toldHolding(current().object);
  const writes = () => fake.requests.filter(({ verb }) => verb === 'patch').length;
  /** Every replica that has seen something has done what it can, and waits for its clock. */
  async function settled(): Promise<void> {
    const busy = writers.filter((writer) => writer.seen().length > 0).length;
    const endsAt = performance.now() + SAFETY_NET_MS;
    while (clock.pending < busy) {
      assert.ok(performance.now() < endsAt, 'never: the replicas wait');
      await setImmediate();
    }
  }

  it('tells the first sight and every other version at once, all of it', async () => {
    const one = replica('one');
    one.note(seen('a'));
    await settled();
    assert.deepEqual(told(), seen('a'));
    clock.advance(1_000);
    one.update([current()]);
    one.note(seen('b'));
    await settled();
    assert.deepEqual(told(), seen('b'));
    clock.advance(1_000);
    one.update([current()]);
    one.note(seen());
    await settled();
    assert.deepEqual(told(), seen());
    assert.equal(writes(), 3);
  });

  it('tells of the same version every five minutes', async () => {
    const one = replica('one');
    for (let tenSeconds = 0; tenSeconds < 61; tenSeconds++) {
      one.note(seen('a'));
      await settled();
      one.update([current()]);
      clock.advance(10_000);
    }
    assert.equal(writes(), 3);
  });

  it('writes in a field of its own: what the leader says of the object stays', async () => {
    await api.applyStatus(PEERS, { metadata: { name: 'west' }, status: { writer: 'leader', entriesFederated: 3 } });
    replica('one').note(seen('a'));
    await settled();
    const status = fake.store.get(placeOf('west'))['status'] as Readonly<Record<string, unknown>>;
    assert.equal(status['writer'], 'leader');
    assert.deepEqual(told(), seen('a'));
    await api.applyStatus(PEERS, { metadata: { name: 'west' }, status: { writer: 'leader', entriesFederated: 4 } });
    assert.deepEqual(told(), seen('a'));
  });

  it('never writes over what another replica has seen later', async () => {
    const [one, two] = [replica('one'), replica('two')];
    const earlier = seen('a');
    clock.advance(1_000);
    two.note(seen('b'));
    await settled();
    one.update([current()]);
    one.note(earlier);
    await settled();
    assert.equal(told()?.holds?.etag, 'b');
    assert.equal(writes(), 1);
  });

  it('gives way to a change that came between, and tells it with the next version of the object', async () => {
    const one = replica('one');
    await api.applyStatus(PEERS, { metadata: { name: 'west' }, status: { writer: 'leader' } });
    one.note(seen('a'));
    await settled();
    assert.equal(told(), undefined);
    one.update([current()]);
    await settled();
    assert.deepEqual(told(), seen('a'));
    assert.deepEqual(errors, []);
  });

  it('tries again when the API server cannot be reached', async () => {
    const one = replica('one');
    fake.fail(({ verb }) => verb === 'patch', badGateway, 1);
    const first = seen('a');
    one.note(first);
    await settled();
    assert.ok(errors.length > 0);
    clock.advance(5_000);
    await settled();
    assert.deepEqual(told(), first);
  });
});
