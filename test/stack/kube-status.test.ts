// Does a real API server take every status and event of ours, and does `kubectl` show them so that they read well?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../src/federation/clock.ts';
import { type ApiServer, openApiServer } from '../../src/kubernetes/api-server.ts';
import type { DeclaredObject } from '../../src/kubernetes/declared-object.ts';
import type { KubeObject } from '../../src/kubernetes/kube-object.ts';
import type { KubeError } from '../../src/kubernetes/kube-error.ts';
import { PeerEvents } from '../../src/kubernetes/peer-events.ts';
import type { ReportedPeer } from '../../src/kubernetes/peer-status.ts';
import { PEER_TRUST_DOMAIN, type PeerTrustDomainStatus } from '../../src/kubernetes/peer-trust-domain.ts';
import { PeerStatusWriter } from '../../src/kubernetes/status-writer.ts';
import { conditions, declared, refused, reported, reportOn, root } from '../kubernetes/declared-west.ts';
import { FakeClock } from '../fakes/fake-clock.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { type KubeApiServer, startKubeApiServer } from './harness/kube-api-server.ts';
import { untilServed } from './harness/until-served.ts';

const PEERS = { ...PEER_TRUST_DOMAIN, namespaced: false };
const held = {
  type: 'BundleVerified',
  status: 'False',
  reason: 'DisjointRoots',
  message: 'held: no root in common',
} as const;
const starting = { type: 'BundleFetched', status: 'Unknown', reason: 'NotFetchedYet', message: 'wait' } as const;
const huge = { ...held, message: '🔑'.repeat(40_000) } as const;
const manyRoots = Array.from({ length: 200 }, (_, i) => ({ ...root(i), subject: 'O=x,'.repeat(1_000) }));

describe('the status of peers on a real API server', () => {
  const cleanup = new Cleanup();
  let server: KubeApiServer;
  let api: ApiServer;
  let writer: PeerStatusWriter;
  let events: PeerEvents;
  const errors: KubeError[] = [];

  before(async () => {
    server = await startKubeApiServer(cleanup);
    await server.kubectl(['apply', '-f', 'deploy/crd/peertrustdomains.fedbroker.dev.yaml']);
    await untilServed(server, 'peertrustdomains.fedbroker.dev');
    const access = { path: server.kubeconfigPath };
    api = await openApiServer({ access, clock: systemClock, timeoutMs: 10_000 });
    const onError = (error: KubeError) => void errors.push(error);
    const options = { api, clock: systemClock, random: Math.random, identity: 'broker-0', onError };
    writer = new PeerStatusWriter({ ...options, handledOf: () => ({}) });
    events = new PeerEvents(options);
    const stop = new AbortController();
    const running = Promise.all([writer.run(stop.signal), events.run(stop.signal)]);
    cleanup.add(async () => {
      stop.abort();
      await running;
      api.close();
    });
  });
  after(() => cleanup.run());

  const read = async (name: string): Promise<KubeObject> => {
    const object = await api.get({ resource: PEERS, name });
    assert.ok(object, name);
    return object;
  };
  const create = async (name: string): Promise<KubeObject> => {
    const bundleEndpointProfile = { type: 'https_web' };
    const spec = {
      trustDomain: `${name}.example`,
      bundleEndpointURL: `https://${name}.example/`,
      bundleEndpointProfile,
    };
    await eventually('the resource is served', () => api.create(PEERS, { metadata: { name }, spec }));
    return read(name);
  };
  const inForce = (object: KubeObject): DeclaredObject => ({ ...declared(object.metadata), object });
  const statusOf = async (name: string) => (await read(name))['status'] as PeerTrustDomainStatus | undefined;
  const written = (name: string) =>
    eventually(`the status of ${name} is written`, async () => {
      assert.deepEqual(errors, []);
      return statusOf(name);
    });

  it('fits the schema of the resource in every state', async () => {
    const states: Readonly<Record<string, (object: KubeObject) => [DeclaredObject, ReportedPeer?]>> = {
      unseen: (object) => [inForce(object)],
      ready: (object) => [inForce(object), reported({}, 'ready')],
      starting: (object) => [inForce(object), reported({ conditions: conditions(starting) }, 'starting')],
      held: (object) => [inForce(object), reported({ conditions: conditions(held) }, 'held')],
      huge: (object) => {
        const bundle = { digest: 'd', roots: manyRoots, jwtKeyIds: manyRoots.map(({ subject }) => subject) };
        return [inForce(object), reported({ conditions: conditions(huge), bundle }, 'huge')];
      },
      invalid: (object) => [{ ...refused('Invalid', 'spec.x', 'Nothing'), object }],
      conflict: (object) => [{ ...refused('Conflict', 'east declares it', 'Nothing'), object }],
      own: (object) => [{ ...refused('OwnTrustDomain', 'it is ours', 'Nothing'), object }],
      deleting: (object) => [{ ...inForce(object), deleting: true }],
    };
    for (const [name, state] of Object.entries(states)) {
      const [object, peer] = state(await create(name));
      writer.update([object], reportOn([object], peer === undefined ? [] : [peer]));
      const status = await written(name);
      assert.ok(status.conditions?.some(({ type }) => type === 'Ready'));
      assert.equal(status.writer, 'broker-0');
    }
    assert.deepEqual(errors, []);
  });

  it('reads well in `kubectl get ptd`', async () => {
    const lines = (await server.kubectl(['get', 'ptd', 'ready', 'held', 'conflict', 'unseen'])).trimEnd().split('\n');
    const cells = lines.map((line) => line.trim().split(/ {2,}/));
    const fetchedAgo = cells[1]?.at(-1);
    assert.deepEqual(cells, [
      ['NAME', 'TRUST DOMAIN', 'PROFILE', 'READY', 'REASON', 'SEQUENCE', 'LAST FETCH'],
      ['ready', 'ready.example', 'https_web', 'True', 'Ready', '7', fetchedAgo],
      ['held', 'held.example', 'https_web', 'False', 'DisjointRoots', '7', fetchedAgo],
      ['conflict', 'conflict.example', 'https_web', 'False', 'Conflict'],
      ['unseen', 'unseen.example', 'https_web', 'Unknown', 'NotLookedYet'],
    ]);
    const wide = await server.kubectl(['get', 'ptd', 'held', '-o', 'wide']);
    assert.match(wide, /https:\/\/held\.example\/ +BundleVerified: held: no root in common\n/);
    await server.kubectl(['wait', '--for=condition=Ready', 'ptd/ready', '--timeout=5s']);
  });

  it('is not written again while it stays true, whatever order the API server gives its fields in', async () => {
    await create('steady');
    const steady = inForce(await read('steady'));
    writer.update([steady], reportOn([steady], [reported({}, 'steady')]));
    await written('steady');
    const { resourceVersion } = (await read('steady')).metadata;
    const restarted = new PeerStatusWriter({
      api,
      clock: systemClock,
      random: Math.random,
      handledOf: () => ({}),
      identity: 'broker-0',
      onError: (error) => errors.push(error),
    });
    const stop = new AbortController();
    const running = restarted.run(stop.signal);
    for (let i = 0; i < 50; i += 1) {
      const object = inForce(await read('steady'));
      const report = reportOn([object], [reported({}, 'steady')]);
      for (const each of [writer, restarted]) each.update([object], report);
    }
    assert.equal((await read('steady')).metadata.resourceVersion, resourceVersion);
    stop.abort();
    await running;
    assert.deepEqual(errors, []);
  });

  it('is made true again, and ours again, when somebody else has written over it', async () => {
    const name = 'forced';
    const { apiVersion, kind, metadata } = await create(name);
    const clock = new FakeClock();
    const onError = (error: KubeError) => void errors.push(error);
    const options = { api, clock, random: Math.random, identity: 'broker-0', handledOf: () => ({}), onError };
    const slow = new PeerStatusWriter(options);
    const stop = new AbortController();
    const running = slow.run(stop.signal);
    const update = async () => {
      const object = inForce(await read(name));
      slow.update([object], reportOn([object], [reported({}, name)]));
    };
    const entriesFederated = async () => (await statusOf(name))?.entriesFederated;
    await update();
    const ours = await eventually('it is written', entriesFederated);
    assert.notEqual(ours, 99);

    const foreign = JSON.stringify({ apiVersion, kind, metadata: { name }, status: { entriesFederated: 99 } });
    const onStatus = ['--subresource=status', '--field-manager=somebody'];
    const ways = [
      ['apply', '--server-side', '--force-conflicts', ...onStatus, '--filename=-'],
      ['patch', 'ptd', name, '--type=merge', ...onStatus, `--patch=${foreign}`],
    ];
    for (const way of ways) {
      await server.kubectl(way, { input: foreign });
      assert.equal(await entriesFederated(), 99);
      assert.deepEqual(await ownersOfEntriesFederated(name), ['somebody']);
      // The watch may show late what we wrote ourselves: for a minute a difference counts as that.
      clock.advance(60_000);
      await update();
      await eventually('it is true again', async () => (await entriesFederated()) === ours);
      assert.deepEqual(await ownersOfEntriesFederated(name), ['spire-federation-broker']);
    }
    assert.equal((await read(name)).metadata.uid, metadata.uid);
    stop.abort();
    await running;
    assert.deepEqual(errors, []);
  });

  async function ownersOfEntriesFederated(name: string): Promise<readonly string[]> {
    const { managedFields = [] } = (await read(name)).metadata;
    const entries = managedFields as readonly {
      readonly manager: string;
      readonly fieldsV1: { readonly 'f:status'?: object };
    }[];
    return entries
      .filter(({ fieldsV1 }) => 'f:entriesFederated' in (fieldsV1['f:status'] ?? {}))
      .map(({ manager }) => manager);
  }

  it('is never that of an object of the same name which came later', async () => {
    const first = await create('again');
    await server.kubectl(['delete', 'ptd', 'again']);
    await create('again');
    const objects = [inForce(first), inForce(await read('steady'))];
    writer.update(objects, reportOn(objects, [reported({}, 'again'), reported({ entriesFederated: 4 }, 'steady')]));
    await eventually('the other object is written', async () => (await statusOf('steady'))?.entriesFederated === 4);
    assert.equal(await statusOf('again'), undefined);
    assert.deepEqual(errors, []);
  });

  it('is told step by step in the events that `kubectl describe` lists', async () => {
    const object = inForce(await create('told'));
    const report = (peer: ReportedPeer) => {
      events.update([object], reportOn([object], [peer]));
    };
    report(reported({}, 'told'));
    report(reported({ conditions: conditions(held) }, 'told'));
    events.update([{ ...object, deleting: true }], reportOn([object], []));
    events.update([], reportOn([], []));
    await eventually('the events are sent', () => events.counts.created + events.counts.failed === 5);
    assert.equal(events.counts.failed, 0);
    const description = await server.kubectl(['describe', 'ptd', 'told']);
    const lines = description.slice(description.indexOf('\nEvents:')).split('\n');
    for (const line of [
      /Normal +NewRoots +\S+ +fedbroker\.dev\/broker +SPIRE holds new X\.509 authorities/,
      /Normal +Ready +\S+ +fedbroker\.dev\/broker +Ready is done/,
      /Warning +DisjointRoots +\S+ +fedbroker\.dev\/broker +BundleVerified: held: no root in common/,
      /Normal +Deleting +\S+ +fedbroker\.dev\/broker +Accepted: trust in this peer is taken away/,
      /Normal +Removed +\S+ +fedbroker\.dev\/broker +trust in told\.example was taken away/,
    ]) {
      assert.equal(lines.filter((each) => line.test(each)).length, 1, `${line.source}\n${description}`);
    }
  });
});
