// When does a broker ask its peer again, and what does it tell the endpoint? (RFC 7240 wait, RFC 9110 If-None-Match)
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { serializeBundle } from '../../src/bundle/bundle-document.ts';
import type { Bundle } from '../../src/bundle/bundle.ts';
import type { BundleAnswer, BundleRequest, BundleSource } from '../../src/federation/ports.ts';
import { bundleOf, EAST, peerOf, WEST } from '../federation/samples.ts';
import { readiness, SETTINGS, startSide, until, type Side } from './side.ts';

type Say = (request: BundleRequest, turn: number) => BundleAnswer | Error;

/** Notes what it is asked, and never answers again after the last thing it has to say. */
class Endpoint implements BundleSource {
  readonly requests: BundleRequest[] = [];
  readonly #says: readonly Say[];

  constructor(...says: readonly Say[]) {
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

  const follow = async (endpoint: Endpoint) => {
    const refresh = { minSeconds: 0.05, maxSeconds: 3600, defaultSeconds: 3600, jitter: 0 };
    side.declare([peerOf(WEST, { profile: { type: 'https_web' } })]);
    await side.startBroker(endpoint, { settings: { ...SETTINGS, refresh, longPollSeconds: 60 } });
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
});
