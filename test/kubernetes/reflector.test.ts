// Does the reflector know what there is, whatever happens to its watch? Each way a watch can fail, over real sockets.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { systemClock, type Cancel, type Clock } from '../../src/federation/clock.ts';
import { openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import { SECRETS } from '../../src/kubernetes/core-resources.ts';
import { KubeError } from '../../src/kubernetes/kube-error.ts';
import type { Selection } from '../../src/kubernetes/kube-object.ts';
import { Reflector, type Objects } from '../../src/kubernetes/reflector.ts';
import * as faults from '../fakes/fake-api-faults.ts';
import type { RequestRecord } from '../fakes/fake-api-routes.ts';
import { startFakeApiServer, type FakeApiServer } from '../fakes/fake-api-server.ts';
import { FakeClock } from '../fakes/fake-clock.ts';
import { peer, PEERS, placeOf } from './west.ts';

const isWatch = ({ verb }: RequestRecord) => verb === 'watch';
const isList = ({ verb }: RequestRecord) => verb === 'list';

type Report = Objects | KubeError;

let fake: FakeApiServer;
let stop: AbortController;
let running: Promise<void>;
let apis: ApiServer[];
let reports: Report[];
let handlerFaults: unknown[];
let reflector: Reflector;
let onReport: (report: Report) => void;
let wake: () => void;

beforeEach(async () => {
  fake = await startFakeApiServer([PEERS]);
  stop = new AbortController();
  [apis, reports, handlerFaults, running] = [[], [], [], Promise.resolve()];
  onReport = () => undefined;
  wake = () => undefined;
});
afterEach(async () => {
  stop.abort();
  await running;
  for (const api of apis) api.close();
  await fake.close();
});

/** Knows when the timer that watches over a silent connection is set: the watch stands then also on our side. */
class WatchedClock extends FakeClock {
  idleTimers = 0;

  override after(delayMs: number, task: () => void): Cancel {
    if (delayMs === 90_000) this.idleTimers += 1;
    return super.after(delayMs, task);
  }
}

interface Start {
  readonly clock?: Clock;
  readonly selection?: Selection;
  /** 0: every pause is none. */
  readonly random?: number;
  readonly access?: Awaited<ReturnType<FakeApiServer['serviceAccount']>>;
}

async function start({ clock = systemClock, selection = { resource: PEERS }, random = 0, access }: Start = {}) {
  const api = await openApiServer({ access: access ?? (await fake.serviceAccount()), clock, timeoutMs: 5_000 });
  apis.push(api);
  reflector = new Reflector(selection, {
    api,
    clock,
    random: () => random,
    report(report) {
      reports.push(report);
      wake();
      onReport(report);
    },
    onHandlerFault: (error) => handlerFaults.push(error),
  });
  running = reflector.run(stop.signal);
}

/** Waits until a report satisfies; the limit is a safety net. */
async function until(what: string, satisfied: () => boolean): Promise<void> {
  const endsAt = Date.now() + 30_000;
  while (!satisfied()) {
    assert.ok(Date.now() < endsAt, `never: ${what}; reports: ${reports.map(sketch).join(' | ')}`);
    await new Promise<void>((resolve) => {
      wake = resolve;
      setTimeout(resolve, 10);
    });
  }
}

function sketch(report: Report | undefined): string {
  if (report === undefined) return 'nothing';
  if (report instanceof KubeError) return report.code;
  return [...report.values()]
    .map(({ metadata }) => metadata.name)
    .sort()
    .join(',');
}

const reported = (names: string) => until(`objects ${names}`, () => sketch(reports.at(-1)) === names);

function store(name: string): void {
  fake.store.create(placeOf(name), { ...peer(name) }, 'kubectl');
}

async function standing(): Promise<void> {
  await until('a watch stands', () => fake.openWatches > 0);
}

describe('the reflector', () => {
  it('reports what there is, then every change', async () => {
    store('west');
    await start();
    await reported('west');
    await standing();
    store('north');
    await reported('north,west');
    fake.store.replace(placeOf('north'), { ...peer('north', { suspend: true }) }, 'kubectl');
    await until('the change', () => {
      const last = reports.at(-1);
      return (
        last instanceof Map && [...last.values()].some(({ spec }) => (spec as { suspend?: true }).suspend === true)
      );
    });
    fake.store.delete(placeOf('west'), undefined);
    await reported('north');
    assert.equal(reflector.listCount, 1);
    assert.ok(reflector.lastEventAt !== undefined);
  });

  it('reports that there is nothing, which is not the same as no report', async () => {
    await start();
    await reported('');
  });

  it('hands out reports that later changes leave alone, without managedFields', async () => {
    store('west');
    await start();
    await reported('west');
    await standing();
    const first = reports.at(-1) as Objects;
    store('north');
    await reported('north,west');
    assert.equal(first.size, 1);
    assert.ok([...first.values()].every(({ metadata }) => metadata.managedFields === undefined));
  });

  it('reads anew when it is asked to, though its watch stands without a word', async () => {
    store('west');
    // A time that never passes: no pause ends, and nothing is listed again by itself.
    fake.fail(isWatch, faults.silentWatch, 5);
    await start({ clock: new FakeClock() });
    await reported('west');
    store('north');
    await reflector.readAnew(stop.signal);
    assert.equal(sketch(reports.at(-1)), 'north,west');
  });

  it('reads anew within a pause, and gives up with whoever asked', async () => {
    const clock = new FakeClock();
    fake.fail(isList, faults.status(503, 'ServiceUnavailable', 'not now'), 2);
    await start({ clock, random: 0.999 });
    await until('a pause', () => reports.length === 1);
    const impatient = new AbortController();
    const given = reflector.readAnew(impatient.signal);
    await until('the second failure', () => reports.length === 2);
    impatient.abort();
    await given;
    assert.equal(reflector.listCount, 0);
    await reflector.readAnew(stop.signal);
    assert.equal(reflector.listCount, 1);
    await reflector.readAnew(AbortSignal.abort());
    assert.equal(reflector.listCount, 1);
  });

  it('watches one object by its name', async () => {
    const secret = (name: string) =>
      fake.store.create({ resource: SECRETS, namespace: 'spire', name, subresource: undefined }, {}, 'kubectl');
    await start({ selection: { resource: SECRETS, namespace: 'spire', fieldSelector: 'metadata.name=roots' } });
    await reported('');
    await standing();
    secret('other');
    secret('roots');
    await until('the object', () => sketch(reports.at(-1)).includes('roots'));
    assert.equal(sketch(reports.at(-1)), 'roots');
  });

  it('asks for bookmarks and an end within six minutes, and goes on from the newest version it was told', async () => {
    await start({ random: 0.999 });
    await standing();
    const first = fake.requests.find(isWatch)!.query;
    assert.equal(first.get('allowWatchBookmarks'), 'true');
    assert.equal(first.get('timeoutSeconds'), '360');
    fake.store.create({ resource: SECRETS, namespace: 'x', name: 'y', subresource: undefined }, {}, 'kubectl');
    const seenAt = reflector.lastEventAt;
    await new Promise((resolve) => setTimeout(resolve, 5));
    fake.sendBookmarks();
    await until('the bookmark', () => reflector.lastEventAt !== seenAt);
    await fake.stop();
    await fake.listen();
    await until('a second watch', () => fake.requests.filter(isWatch).length === 2);
    assert.equal(fake.requests.filter(isWatch)[1]!.query.get('resourceVersion'), String(fake.store.version));
    assert.equal(reflector.listCount, 1);
  });

  it('stops at once, also when the API server is silent', async () => {
    fake.fail(isList, faults.neverAnswers, 100);
    await start();
    await until('the list', () => fake.requests.some(isList));
    stop.abort();
    await running;
    assert.deepEqual(reports, []);
  });
});

describe('the reflector lives on when', () => {
  const recoveries: readonly (readonly [sentence: string, match: typeof isWatch, faults.Fault, lists: number])[] = [
    ['the version is gone, said as an event', isWatch, faults.goneEvent, 4],
    ['the version is gone, said as a status', isWatch, faults.goneStatus, 4],
    ['the watch answers 500', isWatch, faults.status(500, 'InternalError', 'etcd'), 2],
    ['the watch answers 503', isWatch, faults.status(503, 'ServiceUnavailable', 'starting'), 2],
    ['the watch is reset before it begins', isWatch, faults.reset, 2],
    ['the watch is cut in its midst', isWatch, faults.cutWatch, 1],
    ['the list answers 503', isList, faults.status(503, 'ServiceUnavailable', 'starting'), 1],
    ['the list is reset', isList, faults.reset, 1],
    ['the list is no JSON', isList, faults.notJson('<html>'), 1],
    ['a line cannot be parsed', isWatch, faults.watchLines('{"type":"ADDED","object":{'), 1],
    ['an event has no known type', isWatch, faults.watchLines('{"type":"RENAMED","object":{"metadata":{}}}'), 1],
    ['an event has no object', isWatch, faults.watchLines('{"type":"ADDED","object":null}'), 1],
    ['an event has no end', isWatch, faults.hugeBody(64 * 1024 * 1024), 1],
    ['a load balancer answers', isWatch, faults.badGateway, 2],
  ];
  for (const [sentence, match, fault, lists] of recoveries) {
    it(`${sentence}, three times in a row`, async () => {
      store('west');
      fake.fail(match, fault, 3);
      await start();
      await reported('west');
      await standing();
      await until('it is over', () => reflector.restarts >= 3 && fake.openWatches === 1);
      store('north');
      await reported('north,west');
      assert.equal(reflector.listCount, lists);
    });
  }

  it('what happened is forgotten, so that it lists again and sees what was deleted meanwhile', async () => {
    store('west');
    store('north');
    await start();
    await reported('north,west');
    await standing();
    await fake.stop();
    fake.store.delete(placeOf('west'), undefined);
    fake.store.compact();
    await fake.listen();
    await reported('north');
    assert.equal(reflector.listCount, 2);
  });

  it('the server ends the watch in order every 50 ms: never blind for longer than a second', async () => {
    fake.fail(isWatch, faults.shortWatch, 6);
    await start({ random: 0.5 });
    await until('six short watches', () => fake.requests.filter(isWatch).length >= 6);
    const last = fake.requests.length;
    const began = Date.now();
    await until('one more', () => fake.requests.length > last);
    assert.ok(Date.now() - began < 1_100);
    await standing();
    store('west');
    await reported('west');
    assert.ok(reports.every((report) => !(report instanceof KubeError)));
  });

  it('the connection stands but nothing comes any more: after 90 s it makes another', async () => {
    const clock = new WatchedClock();
    store('west');
    fake.fail(isWatch, faults.silentWatch);
    await start({ clock });
    await reported('west');
    await until('the idle timer is set', () => clock.idleTimers === 1);
    clock.advance(89_000);
    assert.equal(fake.requests.filter(isWatch).length, 1);
    clock.advance(1_000);
    await until('it pauses', () => clock.pending === 1 && reflector.restarts === 1);
    clock.advance(0);
    await standing();
    store('north');
    await reported('north,west');
    assert.ok(reports.every((report) => !(report instanceof KubeError)));
  });

  it('a request is accepted and never answered: the deadline ends it', async () => {
    const clock = new FakeClock();
    fake.fail(isList, faults.neverAnswers);
    await start({ clock });
    await until('the list is asked for', () => fake.requests.some(isList));
    clock.advance(5_000);
    await until('the error', () => sketch(reports.at(-1)) === 'KubeDeadlineExceeded');
    clock.advance(0);
    await reported('');
  });

  it('its consumer throws: the fault is reported and the same objects again with the next change', async () => {
    store('west');
    onReport = () => {
      if (reports.length === 1) throw new Error('consumer broken');
    };
    await start();
    await until('the fault', () => handlerFaults.length === 1);
    assert.match(String(handlerFaults[0]), /consumer broken/);
    await until('again', () => reports.length === 2);
    assert.equal(sketch(reports[1]), 'west');
  });

  it('the token expires and is rotated', async () => {
    const account = await fake.serviceAccount();
    store('west');
    await start({ access: account });
    await reported('west');
    fake.tokens.clear();
    fake.tokens.set('second-token', 'broker');
    await fake.stop();
    await fake.listen();
    await until('the error', () => sketch(reports.at(-1)) === 'KubeUnauthorized');
    await writeFile(join(account.directory, 'token'), 'second-token');
    await reported('west');
    assert.equal(reflector.listCount, 2);
  });

  it('the token file is gone for a while', async () => {
    const account = await fake.serviceAccount();
    await start({ access: account });
    await reported('');
    await standing();
    await writeFile(join(account.directory, 'token'), '');
    await fake.stop();
    await fake.listen();
    await until('the error', () => sketch(reports.at(-1)) === 'KubeConfigInvalid');
    await writeFile(join(account.directory, 'token'), 'first-token');
    await reported('');
  });
});

describe('the reflector tells of an error', () => {
  it('when the right to list is missing, and is well again when it is granted', async () => {
    fake.isAllowed = ({ verb }) => verb !== 'list';
    await start();
    await until('the error', () => sketch(reports.at(-1)) === 'KubeForbidden');
    fake.isAllowed = () => true;
    await reported('');
  });

  it('when the API server stays away, and reports the objects again when it is back, changed or not', async () => {
    store('west');
    await start();
    await reported('west');
    await standing();
    await fake.stop();
    await until('the error', () => sketch(reports.at(-1)) === 'KubeUnreachable');
    await fake.listen();
    await reported('west');
    assert.equal(reflector.listCount, 2);
  });

  it('when the right to watch is missing, and then never of objects that are older than the error', async () => {
    fake.isAllowed = ({ verb }) => verb !== 'watch';
    await start();
    await until('the error', () => sketch(reports.at(-1)) === 'KubeForbidden');
    store('west');
    const [errors, lists] = [reports.length, reflector.listCount];
    await until('three more', () => reports.length >= errors + 3);
    assert.equal(reflector.listCount, lists);
    fake.isAllowed = () => true;
    await reported('west');
    const told = reports.slice(1).map(sketch);
    assert.deepEqual([...new Set(told)], ['KubeForbidden', 'west']);
  });

  it('but not when one connection broke and the next one stands', async () => {
    fake.fail(isWatch, faults.cutWatch, 2);
    await start();
    await until('the third watch', () => reflector.restarts === 2 && fake.openWatches === 1);
    assert.deepEqual(reports.map(sketch), ['']);
  });
});

describe('the pace of the reflector', () => {
  it('doubles its pauses up to 30 s while nothing works, and starts small again after a success', async () => {
    const pauses: number[] = [];
    const clock: Clock = {
      now: () => new Date(),
      after(delayMs, task) {
        if (delayMs === 5_000 || delayMs > 60_000) return () => undefined;
        pauses.push(delayMs);
        return systemClock.after(0, task);
      },
    };
    fake.fail(isList, faults.status(503, 'ServiceUnavailable', 'starting'), 10);
    fake.fail(isWatch, faults.status(503, 'ServiceUnavailable', 'starting'), 1);
    await start({ clock, random: 0.999 });
    await until('eleven pauses', () => pauses.length === 11);
    assert.deepEqual(
      pauses.map((ms) => Math.round(ms / 100) / 10),
      [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30, 0.2],
    );
  });

  it('lists again every ten minutes, whatever the watch says, and reports nothing when nothing changed', async () => {
    const clock = new WatchedClock();
    store('west');
    await start({ clock, random: 0.5 });
    for (let minute = 0; minute < 10; minute += 1) {
      await until('the idle timer is set', () => clock.idleTimers === minute + 1);
      clock.advance(59_999);
      fake.sendBookmarks();
    }
    await until('the last bookmark', () => clock.idleTimers === 11);
    assert.equal(reflector.restarts, 0);
    clock.advance(10);
    await until('it pauses', () => reflector.restarts === 1);
    clock.advance(1_000);
    await until('the second list', () => reflector.listCount === 2);
    assert.deepEqual(reports.map(sketch), ['west']);
  });
});
