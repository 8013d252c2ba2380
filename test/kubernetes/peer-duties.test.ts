// Does an operator see on the object how it went what an annotation asked for?
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { systemClock, untilAborted } from '../../src/federation/clock.ts';
import { openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import { PeerDuties } from '../../src/kubernetes/peer-duties.ts';
import { EAST } from '../federation/samples.ts';
import { startFakeApiServer, type FakeApiServer } from '../fakes/fake-api-server.ts';
import type { ServedResource } from '../fakes/fake-api-store.ts';
import { declared } from './declared-west.ts';
import { PEERS } from './west.ts';

const EVENTS: ServedResource = {
  group: 'events.k8s.io',
  version: 'v1',
  plural: 'events',
  kind: 'Event',
  namespaced: true,
};

let fake: FakeApiServer;
let api: ApiServer;
let stop: AbortController;

beforeEach(async () => {
  fake = await startFakeApiServer([PEERS]);
  api = await openApiServer({ access: await fake.serviceAccount(), clock: systemClock, timeoutMs: 5_000 });
  stop = new AbortController();
});
afterEach(async () => {
  api.close();
  await fake.close();
});

/** The line of the first event after an object asks for its bundle to be set anew. */
async function eventOf(rebootstrap: () => Promise<void>): Promise<string> {
  const object = declared({ annotations: { 'fedbroker.dev/rebootstrap': '1' } });
  let running = Promise.resolve();
  await new Promise<void>((resolve) => {
    const create: ApiServer['create'] = async (...args) => {
      const created = await api.create(...args);
      resolve();
      return created;
    };
    const duties = new PeerDuties({
      api: { ...api, create },
      clock: systemClock,
      random: Math.random,
      identity: 'broker-0',
      ownTrustDomain: EAST,
      resources: {
        objects: () => [object],
        watchObjects: async (report, signal) => {
          report([object]);
          await untilAborted(signal);
        },
        readAnew: () => Promise.resolve(),
      },
      onRefresh: () => undefined,
      rebootstrap,
      onError: () => undefined,
      onFault: () => undefined,
    });
    running = duties.run(stop.signal);
  });
  stop.abort();
  await running;
  const [event] = fake.store.list(EVENTS, 'default');
  return `${String(event?.['type'])} ${String(event?.['reason'])}: ${String(event?.['note'])}`;
}

describe('the annotation rebootstrap', () => {
  it('leaves an event on the object when the bundle was set anew', async () => {
    const event = await eventOf(() => Promise.resolve());
    assert.equal(
      event,
      'Normal Rebootstrapped: the bundle was set anew from trustDomainBundle, as the annotation asked',
    );
  });

  it('leaves an event on the object that says why it could not be done', async () => {
    const event = await eventOf(() => Promise.reject(new Error('the root of our own trust domain is in it')));
    assert.match(event, /^Warning RebootstrapFailed: .* nothing was changed: the root of our own/);
  });
});
