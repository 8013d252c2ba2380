// Do the objects of an API server become declarations, and does nothing that goes wrong there take one away?
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { systemClock } from '../../src/federation/clock.ts';
import type { Declarations } from '../../src/federation/facts.ts';
import { AnnotationRequests } from '../../src/kubernetes/annotation-requests.ts';
import { openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import { BootstrapSources } from '../../src/kubernetes/bootstrap-sources.ts';
import type { ObjectSource } from '../../src/kubernetes/bootstrap-object.ts';
import { CONFIG_MAPS, SECRETS } from '../../src/kubernetes/core-resources.ts';
import type { DeclaredObject } from '../../src/kubernetes/declared-object.ts';
import { UNFEDERATE } from '../../src/kubernetes/finalizer.ts';
import { judgeObjects, NO_MEMORY } from '../../src/kubernetes/judge-objects.ts';
import { KubeError } from '../../src/kubernetes/kube-error.ts';
import { PeerResources } from '../../src/kubernetes/peer-resources.ts';
import type { Place } from '../fakes/fake-api-store.ts';
import { startFakeApiServer, type FakeApiServer } from '../fakes/fake-api-server.ts';
import { EAST, peerOf, WEST } from '../federation/samples.ts';
import { objectOf, specOf } from './peer-objects.ts';
import { PEERS, placeOf } from './west.ts';

const SAFETY_NET_MS = 8_000;

type Report = Declarations | KubeError;

let fake: FakeApiServer;
let api: ApiServer;
let stop: AbortController;
let running: Promise<unknown>[];
let faults: unknown[];
/** Codes; undefined when the objects are read again. */
let readings: (string | undefined)[];

beforeEach(async () => {
  fake = await startFakeApiServer([PEERS]);
  api = await openApiServer({ access: await fake.serviceAccount(), clock: systemClock, timeoutMs: 5_000 });
  [stop, running, faults, readings] = [new AbortController(), [], [], []];
});
afterEach(async () => {
  stop.abort();
  await Promise.all(running);
  api.close();
  await fake.close();
});

function start(): PeerResources {
  const resources = new PeerResources({
    api,
    clock: systemClock,
    random: () => 0,
    ownTrustDomain: EAST,
    onReading: (error) => readings.push(error?.code),
    onFault: (error) => faults.push(error),
  });
  running.push(resources.run(stop.signal));
  return resources;
}

function watch(resources: PeerResources, signal = stop.signal): Report[] {
  const reports: Report[] = [];
  running.push(resources.watch((report) => reports.push(report), signal));
  return reports;
}

async function until(what: string, satisfied: () => boolean): Promise<void> {
  const endsAt = performance.now() + SAFETY_NET_MS;
  while (!satisfied()) {
    assert.ok(performance.now() < endsAt, `never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function store(name: string, spec: Readonly<Record<string, unknown>> = {}): void {
  const metadata = { name, finalizers: [UNFEDERATE] };
  fake.store.create(placeOf(name), { metadata, spec: specOf(`${name}.example`, spec) }, 'kubectl');
}

function merge(place: Place, patch: unknown): void {
  fake.store.patch(place, 'application/merge-patch+json', patch, 'kubectl');
}

function sketch(report: Report | undefined): string {
  if (report === undefined) return 'nothing';
  return report instanceof KubeError ? report.code : report.peers.map(({ name, mode }) => `${name} ${mode}`).join(',');
}

const reported = (reports: readonly Report[], text: string) => until(text, () => sketch(reports.at(-1)) === text);

describe('watched objects', () => {
  it('are reported at once and then at each change, to any number of watchers', async () => {
    store('west');
    const resources = start();
    const first = watch(resources);
    await reported(first, 'west Own');
    const second = watch(resources);
    assert.equal(sketch(second[0]), 'west Own', 'who comes later is told at once');
    merge(placeOf('west'), { spec: { mode: 'Delegate' } });
    await reported(first, 'west Delegate');
    await reported(second, 'west Delegate');
    fake.store.delete(placeOf('west'), undefined);
    await reported(first, '');
    assert.deepEqual(faults, []);
  });

  it('are not reported again for a new status or label', async () => {
    store('west');
    const resources = start();
    const reports = watch(resources);
    await reported(reports, 'west Own');
    merge(placeOf('west'), { metadata: { labels: { a: 'b' } } });
    store('north');
    await until('north', () => resources.objects().length === 2);
    await until('both', () => sketch(reports.at(-1)).includes('north'));
    assert.equal(reports.length, 2);
    const [before, after] = reports as Declarations[];
    assert.equal(
      after!.peers.find(({ name }) => name === 'west'),
      before!.peers[0],
    );
  });

  it('are no longer reported to a watcher whose signal aborted', async () => {
    store('west');
    const resources = start();
    const [term, lasting] = [new AbortController(), watch(resources)];
    const reports = watch(resources, term.signal);
    await reported(reports, 'west Own');
    term.abort();
    store('north');
    await until('north', () => sketch(lasting.at(-1)).includes('north'));
    assert.equal(reports.length, 1);
  });

  it('reach other watchers when one throws', async () => {
    store('west');
    const resources = start();
    running.push(
      resources.watch(() => {
        throw new Error('broken watcher');
      }, stop.signal),
    );
    await reported(watch(resources), 'west Own');
    assert.match(String(faults[0]), /broken watcher/);
  });
});

describe('objects that cannot be read', () => {
  it('are an error while nothing was ever read', async () => {
    fake.isAllowed = () => false;
    const resources = start();
    const reports = watch(resources);
    await reported(reports, 'KubeForbidden');
    assert.match(
      resources.error!.message,
      /grant verb "list" on resource "peertrustdomains" in API group "fedbroker\.dev"/,
    );
    const readSince = () => resources.readSince;
    assert.equal(readSince(), undefined);
    store('west');
    fake.isAllowed = () => true;
    await reported(reports, 'west Own');
    assert.equal(resources.error, undefined);
    assert.equal(readings[0], 'KubeForbidden');
    assert.equal(readings.at(-1), undefined);
    assert.notEqual(readSince(), undefined);
  });

  it('stay declared, and that they may be out of date is visible', async () => {
    store('west');
    const resources = start();
    const reports = watch(resources);
    await reported(reports, 'west Own');
    await fake.stop();
    await until('the error', () => resources.error !== undefined);
    assert.deepEqual(reports.map(sketch), ['west Own']);
    assert.equal(resources.objects().length, 1);
    await fake.listen();
    store('north');
    await until('north', () => sketch(reports.at(-1)).includes('north'));
    assert.equal(resources.error, undefined);
  });
});

describe('a bundle in a ConfigMap or Secret', () => {
  const source = (type: ObjectSource['type'], key = 'bundle.json'): ObjectSource => {
    return { type, namespace: 'spire', name: 'west', key };
  };
  const place = (type: ObjectSource['type']): Place => {
    const resource = type === 'secret' ? SECRETS : CONFIG_MAPS;
    return { resource, namespace: 'spire', name: 'west', subresource: undefined };
  };
  const create = (type: ObjectSource['type'], fields: object) =>
    fake.store.create(place(type), { metadata: { name: 'west' }, ...fields }, 'kubectl');
  const textOf = async (type: ObjectSource['type'], key?: string) =>
    Buffer.from(await start().readBootstrap(source(type, key))).toString();
  const base64 = (text: string) => Buffer.from(text).toString('base64');

  it('is read by its name', async () => {
    create('configMap', { data: { 'bundle.json': '{"keys":[]}' }, binaryData: { der: base64('bytes') } });
    create('secret', { data: { 'bundle.json': base64('secret text') } });
    assert.equal(await textOf('configMap'), '{"keys":[]}');
    assert.equal(await textOf('configMap', 'der'), 'bytes');
    assert.equal(await textOf('secret'), 'secret text');
    assert.ok(!fake.requests.some(({ verb, resource }) => verb === 'list' && resource !== 'peertrustdomains'));
  });

  const REFUSALS: readonly (readonly [because: string, prepare: () => void, says: RegExp])[] = [
    [
      'does not exist',
      () => undefined,
      /^secrets "west" in namespace "spire" does not exist; create it with the bundle under "bundle\.json"$/,
    ],
    [
      'has no such key',
      () => create('secret', { data: { other: base64('classified') } }),
      /has no key "bundle\.json"; its keys are: other$/,
    ],
    [
      'is too big',
      () => create('secret', { data: { 'bundle.json': base64('classified'.repeat(110_000)) } }),
      /is larger than 1048576 bytes; put only the bundle there$/,
    ],
    [
      'may not be read',
      () => {
        create('secret', { data: { 'bundle.json': base64('classified') } });
        fake.isAllowed = ({ resource }) => resource !== 'secrets';
      },
      /grant verb "get" on resource "secrets"/,
    ],
  ];
  for (const [because, prepare, says] of REFUSALS) {
    it(`that ${because} is told with what to do, and without the content`, async () => {
      prepare();
      const error = await textOf('secret').then(
        () => undefined,
        (failure: unknown) => failure,
      );
      assert.ok(error instanceof KubeError);
      assert.match(error.message, says);
      assert.doesNotMatch(error.message, /classified|Y2xhc3NpZmllZ/);
    });
  }

  it('is watched by its name while a peer refers to it, and each change of its key is told', async () => {
    create('configMap', { data: { 'bundle.json': 'one', other: 'x' } });
    const changed: string[] = [];
    const sources = new BootstrapSources({
      api,
      clock: systemClock,
      random: () => 0,
      onBootstrapChanged: (trustDomain) => changed.push(trustDomain),
      onError: (error) => faults.push(error),
      onFault: (error) => faults.push(error),
    });
    sources.follow([peerOf(WEST, { bootstrap: source('configMap') })]);
    await until('seen first', () => changed.length === 1);
    merge(place('configMap'), { data: { other: 'y' } });
    merge(place('configMap'), { data: { 'bundle.json': 'two' } });
    await until('the change', () => changed.length > 1);
    assert.deepEqual(changed, [WEST, WEST]);
    const lists = fake.requests.filter(({ verb, resource }) => verb !== 'get' && resource === 'configmaps');
    assert.deepEqual(new Set(lists.map(({ query }) => query.get('fieldSelector'))), new Set(['metadata.name=west']));
    await until('the watch stands', () => fake.openWatches === 1);
    sources.follow([]);
    await until('the watch has ended', () => fake.openWatches === 0);
    await sources.stop();
    assert.deepEqual(faults, []);
  });

  it('whose watch is refused is an error that names the right', async () => {
    fake.isAllowed = ({ verb }) => verb !== 'list';
    const errors: KubeError[] = [];
    const sources = new BootstrapSources({
      api,
      clock: systemClock,
      random: () => 0,
      onBootstrapChanged: () => undefined,
      onError: (error) => errors.push(error),
      onFault: (error) => faults.push(error),
    });
    sources.follow([peerOf(WEST, { bootstrap: source('secret') })]);
    await until('the error', () => errors.length > 0);
    assert.match(errors[0]!.message, /grant verb "list" on resource "secrets"/);
    await sources.stop();
  });
});

describe('an annotation that asks for something', () => {
  function requests() {
    const calls: string[] = [];
    const handler = new AnnotationRequests({
      onRefresh: ({ trustDomain }) => calls.push(`refresh ${trustDomain}`),
      onRebootstrap: ({ trustDomain }) => calls.push(`rebootstrap ${trustDomain}`),
    });
    return { calls, handler };
  }
  const annotated = (values: Readonly<Record<string, string>>, status = {}): readonly DeclaredObject[] => {
    const annotations = Object.fromEntries(
      Object.entries(values).map(([verb, value]) => [`fedbroker.dev/${verb}`, value]),
    );
    return judgeObjects([objectOf('west', { metadata: { annotations }, status })], NO_MEMORY, EAST).objects;
  };

  it('is obeyed once for each new value', () => {
    const { calls, handler } = requests();
    for (const value of ['1', '1', '2']) handler.update(annotated({ refresh: value }));
    handler.update(annotated({ refresh: '2', rebootstrap: 'now' }));
    assert.deepEqual(calls, ['refresh west.example', 'refresh west.example', 'rebootstrap west.example']);
    const [{ object }] = annotated({}) as [DeclaredObject];
    assert.deepEqual(handler.handledOf(object), { lastHandledRefresh: '2', lastHandledRebootstrap: 'now' });
  });

  it('is not obeyed again by a new leader when status says that it was', () => {
    const { calls, handler } = requests();
    handler.update(annotated({ refresh: '2', rebootstrap: '1' }, { lastHandledRefresh: '2' }));
    assert.deepEqual(calls, ['rebootstrap west.example']);
  });

  it('is kept for later while its object is not in force', () => {
    const { calls, handler } = requests();
    const refused = objectOf('west', {
      spec: { mode: 'Both' },
      metadata: { annotations: { 'fedbroker.dev/refresh': '1' } },
    });
    handler.update(judgeObjects([refused], NO_MEMORY, EAST).objects);
    assert.deepEqual(calls, []);
    handler.update(annotated({ refresh: '1' }));
    assert.deepEqual(calls, ['refresh west.example']);
  });
});
