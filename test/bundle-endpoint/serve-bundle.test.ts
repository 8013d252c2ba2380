// Does our endpoint answer as SPIFFE Federation §5.2, RFC 9110 §13 and RFC 7240 §4.3 have it?
import assert from 'node:assert/strict';
import { Agent, createServer, request, type IncomingHttpHeaders, type RequestOptions, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { BundlePublication, MAX_WAIT_SECONDS } from '../../src/bundle-endpoint/serve-bundle.ts';
import { FakeClock } from '../fakes/fake-clock.ts';

const FIRST = Buffer.from('{"keys":[],"spiffe_sequence":1}\n');
const SECOND = Buffer.from('{"keys":[],"spiffe_sequence":2}\n');

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

describe('our bundle endpoint', () => {
  let clock: FakeClock;
  let publication: BundlePublication;
  let server: Server;
  let waitingStarted: () => Promise<void>;

  beforeEach(async () => {
    clock = new FakeClock();
    publication = new BundlePublication({ path: '/', maxAgeSeconds: 5, maxWaiters: 2, clock });
    const handled: (() => void)[] = [];
    waitingStarted = () => new Promise((resolve) => handled.push(resolve));
    server = createServer((incoming, response) => {
      publication.handle(incoming, response);
      handled.shift()?.();
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
  });
  afterEach(() => {
    publication.close();
    server.closeAllConnections();
    server.close();
  });

  function ask(options: RequestOptions = {}, signal?: AbortSignal, body?: string): Promise<Answer> {
    const { port } = server.address() as AddressInfo;
    return new Promise((resolve, reject) => {
      const call = request(
        { port, host: '127.0.0.1', agent: false, ...(signal && { signal }), ...options },
        (response) => {
          let text = '';
          response.on('data', (chunk) => (text += String(chunk)));
          response.on('end', () => {
            resolve({ status: response.statusCode, headers: response.headers, body: text });
          });
        },
      );
      call.on('error', reject);
      call.end(body);
    });
  }

  const waiting = (etag: string | undefined, prefer = 'wait=60') => ({
    headers: { 'if-none-match': etag ?? '', prefer },
  });

  it('gives the bytes as they were published, whatever they are', async () => {
    const text = '{"keys":[],"note":"Grüße, 信任 🔑"}\n';
    publication.publish(Buffer.from(text));
    const { headers, body } = await ask();
    assert.equal(body, text);
    assert.equal(headers['content-length'], String(Buffer.byteLength(text)));
  });

  it('answers 503 and says when to ask again, never an empty document, before SPIRE was read', async () => {
    const { status, headers, body } = await ask();
    assert.deepEqual([status, headers['retry-after']], [503, '5']);
    assert.match(body, /was not read from SPIRE yet/);
  });

  it('serves the document with its type, length, strong entity tag and a short life in caches', async () => {
    publication.publish(FIRST);
    const { status, headers, body } = await ask();
    assert.deepEqual([status, body], [200, FIRST.toString()]);
    assert.equal(headers['content-type'], 'application/json');
    assert.equal(headers['content-length'], String(FIRST.length));
    assert.match(headers.etag ?? '', /^"[0-9a-f]{64}"$/);
    assert.equal(headers['cache-control'], 'max-age=5');
    assert.equal(headers['x-content-type-options'], 'nosniff');
  });

  it('answers HEAD without a body, other methods with 405, other paths with 404', async () => {
    publication.publish(FIRST);
    const head = await ask({ method: 'HEAD' });
    assert.deepEqual([head.status, head.headers['content-length'], head.body], [200, String(FIRST.length), '']);
    const post = await ask({ method: 'POST' });
    assert.deepEqual([post.status, post.headers.allow], [405, 'GET, HEAD']);
    assert.equal((await ask({ path: '/bundle' })).status, 404);
    assert.equal((await ask({ path: '/?x=1' })).status, 200);
    assert.deepEqual((await ask({ method: 'HEAD', path: '/x' })).body, '');
  });

  for (const [what, condition] of [
    ['its tag', (etag: string) => etag],
    ['its tag among others', (etag: string) => `"other", ${etag}`],
    ['its tag marked as weak', (etag: string) => `W/${etag}`],
    ['any tag', () => '*'],
  ] as const) {
    it(`answers 304 without a body to a client that has ${what}`, async () => {
      publication.publish(FIRST);
      const headers = { 'if-none-match': condition(publication.etag ?? '') };
      const answer = await ask({ headers });
      assert.deepEqual([answer.status, answer.body, answer.headers.etag], [304, '', publication.etag]);
    });
  }

  it('passes over what a client sends beside its headers, and the connection goes on', async () => {
    publication.publish(FIRST);
    let connections = 0;
    server.on('connection', () => (connections += 1));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const body = 'x'.repeat(1_000_000);
    const asked = { agent, headers: { 'content-length': body.length } };
    for (const path of ['/', '/other', '/']) {
      const { status } = await ask({ ...asked, path }, undefined, body);
      assert.equal(status, path === '/' ? 200 : 404);
    }
    agent.destroy();
    assert.equal(connections, 1);
  });

  it('has the same tag for the same bytes and another for others', () => {
    publication.publish(FIRST);
    const { etag } = publication;
    publication.publish(Buffer.from(FIRST));
    assert.equal(publication.etag, etag);
    publication.publish(SECOND);
    assert.notEqual(publication.etag, etag);
  });

  it('holds the answer to "wait" and gives the new document in the moment of the change', async () => {
    publication.publish(FIRST);
    const started = waitingStarted();
    const asked = ask(waiting(publication.etag));
    await started;
    assert.equal(publication.waiting, 1);
    publication.publish(SECOND);
    const { status, headers, body } = await asked;
    assert.deepEqual([status, body, headers['preference-applied']], [200, SECOND.toString(), 'wait=60']);
    assert.equal(publication.waiting, 0);
    assert.equal(clock.pending, 0);
  });

  it('answers 304 when the wait ends without a change', async () => {
    publication.publish(FIRST);
    const started = waitingStarted();
    const asked = ask(waiting(publication.etag));
    await started;
    clock.advance(60_000);
    const { status, headers } = await asked;
    assert.deepEqual([status, headers['preference-applied']], [304, 'wait=60']);
  });

  it('holds no answer longer than its own limit', async () => {
    publication.publish(FIRST);
    const started = waitingStarted();
    const asked = ask(waiting(publication.etag, 'respond-async, wait="99999"; foo'));
    await started;
    clock.advance(MAX_WAIT_SECONDS * 1000);
    assert.equal((await asked).headers['preference-applied'], `wait=${MAX_WAIT_SECONDS}`);
  });

  it('answers at once to "wait" of a client that has another document, or none', async () => {
    publication.publish(FIRST);
    for (const headers of [{ prefer: 'wait=60' }, { prefer: 'wait=60', 'if-none-match': '"old"' }]) {
      const answer = await ask({ headers });
      assert.deepEqual([answer.status, answer.headers['preference-applied']], [200, undefined]);
    }
    for (const prefer of ['wait=0', 'wait=-1', 'wait', 'waiting=5']) {
      assert.equal((await ask(waiting(publication.etag, prefer))).status, 304);
    }
  });

  it('lets only so many wait, and answers one more at once', async () => {
    publication.publish(FIRST);
    const started = [waitingStarted(), waitingStarted()];
    const held = [ask(waiting(publication.etag)), ask(waiting(publication.etag))];
    await Promise.all(started);
    const { status, headers } = await ask(waiting(publication.etag));
    assert.deepEqual([status, headers['preference-applied']], [304, undefined]);
    publication.publish(SECOND);
    assert.deepEqual(
      (await Promise.all(held)).map((answer) => answer.status),
      [200, 200],
    );
  });

  it('forgets a client that went away while it waited', async () => {
    publication.publish(FIRST);
    const [started, gone] = [waitingStarted(), new AbortController()];
    const asked = ask(waiting(publication.etag), gone.signal);
    await started;
    const closed = new Promise((resolve) => server.once('connection', (socket) => socket.once('close', resolve)));
    gone.abort();
    await assert.rejects(asked);
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 100))]);
    assert.deepEqual([publication.waiting, clock.pending], [0, 0]);
  });

  it('answers everyone who waits when it closes, and lets nobody wait afterwards', async () => {
    publication.publish(FIRST);
    const started = waitingStarted();
    const asked = ask(waiting(publication.etag));
    await started;
    publication.close();
    assert.equal((await asked).status, 304);
    const late = await ask(waiting(publication.etag));
    assert.deepEqual([late.status, late.headers['preference-applied']], [304, undefined]);
  });
});
