// When does a broker ask its peer again, and what does it tell the endpoint? (RFC 7240 wait, RFC 9110 If-None-Match)
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { serializeBundle } from '../../src/bundle/bundle-document.ts';
import type { Bundle } from '../../src/bundle/bundle.ts';
import type { BrokerParts } from '../../src/broker/broker-parts.ts';
import type { BundleAnswer, BundleRequest, BundleSource, SpireServer } from '../../src/federation/ports.ts';
import { bundleOf, EAST, peerOf, WEST } from '../federation/samples.ts';
import { readiness, SETTINGS, startSide, until, type Side } from './side.ts';

type Say = (request: BundleRequest, turn: number) => BundleAnswer | Error;

/** Notes what it is asked, and never answers where it has nothing to say. */
class Endpoint implements BundleSource {
  readonly requests: BundleRequest[] = [];
  readonly #says: readonly (Say | undefined)[];

  constructor(...says: readonly (Say | undefined)[]) {
    this.#says = says;
  }

  fetch(request: BundleRequest, signal?: AbortSignal): Promise<BundleAnswer> {
    const turn = this.requests.push(request) - 1;
    const answer = this.#says[turn]?.(request, turn);
    if (answer instanceof Error) return Promise.reject(answer);
    if (answer !== undefined) return Promise.resolve(answer);
    return new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => {
        reject(new Error('aborted'));
      });
    });
  }
}

const document =
  (etag: string, bundle: Bundle, waitApplied = false): Say =>
  () => ({ kind: 'Document', etag, waitApplied, body: serializeBundle(bundle, { refreshHintSeconds: 3600 }) });
const notModified =
  (waitApplied: boolean): Say =>
  () => ({ kind: 'NotModified', waitApplied });
const refused: Say = () => Object.assign(new Error('down'), { code: 'ConnectFailed' });

describe('a broker that follows a peer', () => {
  let side: Side;
  beforeEach(async () => {
    side = await startSide(EAST);
  });
  afterEach(() => side.stop());

  const follow = async (endpoint: Endpoint, parts: Partial<BrokerParts> = {}) => {
    const refresh = { minSeconds: 0.05, maxSeconds: 3600, defaultSeconds: 3600, jitter: 0 };
    side.declare([peerOf(WEST, { profile: { type: 'https_web' } })]);
    await side.startBroker(endpoint, { settings: { ...SETTINGS, refresh, longPollSeconds: 60 }, ...parts });
  };
  const first = document('"1"', bundleOf(WEST));
  const next = document('"2"', bundleOf(WEST, [0, 1], { sequenceNumber: 8n }));
  const asked = (endpoint: Endpoint, count: number) =>
    until(`${count} requests`, () => endpoint.requests.length >= count);
  const told = ({ appliedEtag, waitSeconds }: BundleRequest) => [appliedEtag, waitSeconds];

  it('names no document before one was applied, then names it and asks to wait', async () => {
    const endpoint = new Endpoint(first);
    await follow(endpoint);
    await asked(endpoint, 2);
    assert.deepEqual(endpoint.requests.map(told), [
      [undefined, undefined],
      ['"1"', 60],
    ]);
  });

  it('asks again at once an endpoint that waited, whatever the hint says', async () => {
    const endpoint = new Endpoint(first, notModified(true), next);
    await follow(endpoint);
    await asked(endpoint, 4);
    assert.deepEqual(told(endpoint.requests[3]!), ['"2"', 60]);
  });

  it('goes by the hint with an endpoint that answers "not modified" without waiting', async () => {
    const endpoint = new Endpoint(first, notModified(false));
    await follow(endpoint);
    await asked(endpoint, 2);
    await pause(400);
    assert.equal(endpoint.requests.length, 2);
    assert.match(side.peer(WEST)?.nextFetch ?? '', /^\d{4}-/);
  });

  it('still waits at an endpoint whose bundle had changed already: that answer needed no wait', async () => {
    const endpoint = new Endpoint(first, next);
    await follow(endpoint);
    await asked(endpoint, 3);
    assert.deepEqual(told(endpoint.requests[2]!), ['"2"', 60]);
  });

  it('wants an answer at once after a failure: a held one would look like a failure that goes on', async () => {
    const endpoint = new Endpoint(first, refused, notModified(false));
    await follow(endpoint);
    await asked(endpoint, 4);
    assert.deepEqual(endpoint.requests.slice(2).map(told), [
      ['"1"', undefined],
      ['"1"', 60],
    ]);
    assert.equal(readiness(side.peer(WEST)), 'True Ready');
  });

  it('names only what was applied when a newer document is refused, and does not wait for it', async () => {
    const older = document('"0"', bundleOf(WEST, [1], { sequenceNumber: 1n }));
    const endpoint = new Endpoint(first, older);
    await follow(endpoint);
    await until('refused', () => readiness(side.peer(WEST)) === 'False SequenceRollback');
    await pause(400);
    assert.equal(endpoint.requests.length, 2);
  });

  it('names nothing while an older write of its own, done only now, stands in SPIRE; and makes that good', async () => {
    const endpoint = new Endpoint(first, next, undefined, next);
    const lost: Bundle[] = [];
    const spire: SpireServer = {
      ...side.spire,
      setFederatedBundles: async (bundles, signal) => {
        const outcomes = await side.spire.setFederatedBundles(bundles, signal);
        if (lost.length > 0) return outcomes;
        lost.push(...bundles);
        throw Object.assign(new Error('no answer'), { code: 'SpireDeadlineExceeded' });
      },
    };
    await follow(endpoint, { spire });
    await asked(endpoint, 3);
    assert.deepEqual(told(endpoint.requests[2]!), ['"2"', 60]);
    await side.spire.setFederatedBundles(lost);
    await asked(endpoint, 4);
    assert.equal(endpoint.requests[3]?.appliedEtag, undefined);
    await until(
      'the newer one is back',
      async () => (await side.spire.getFederatedBundle(WEST))?.sequenceNumber === 8n,
    );
    await asked(endpoint, 5);
    assert.deepEqual(told(endpoint.requests[4]!), ['"2"', 60]);
    assert.equal(readiness(side.peer(WEST)), 'True Ready');
  });
});
