// Do the admin pages answer what an operator, a kubelet and a scraper need, and nothing more?
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { createAdminApp, type AdminSources, type Check } from '../../src/admin/admin-app.ts';
import { startAdminServer, type AdminServer } from '../../src/admin/admin-server.ts';
import { createMetrics } from '../../src/admin/metrics.ts';

const READY: Check = { name: 'own bundle read', ok: true, ageSeconds: 0.2 };
const NOT_READY: Check = { name: 'spire reachable', ok: false, ageSeconds: undefined, message: 'no such socket' };

let ready: readonly Check[];
let sources: AdminSources;
let server: AdminServer;
let address: string;

beforeEach(async () => {
  ready = [READY];
  const metrics = createMetrics();
  metrics.count('passes_total', { result: 'Succeeded' });
  sources = {
    livez: () => [],
    readyz: () => ready,
    metrics: { contentType: metrics.contentType, metrics: () => metrics.exposition({}) },
    status: () => ({ trustDomain: 'east.example', sequence: 2n ** 64n - 1n }),
  };
  await start();
});

afterEach(() => server.close());

async function start(): Promise<void> {
  server = await startAdminServer(createAdminApp(sources), { host: '127.0.0.1', port: 0 });
  address = `http://127.0.0.1:${server.port}`;
}

describe('the admin pages', () => {
  it('say that the process lives, whatever SPIRE does', async () => {
    ready = [NOT_READY];
    const answer = await fetch(`${address}/livez`);
    assert.equal(answer.status, 200);
    assert.deepEqual(await answer.json(), { ok: true, checks: [] });
  });

  it('list each check of readiness with its age', async () => {
    const answer = await fetch(`${address}/readyz`);
    assert.equal(answer.status, 200);
    assert.deepEqual(await answer.json(), { ok: true, checks: [READY] });
  });

  it('answer 503 and why while one check fails', async () => {
    ready = [READY, NOT_READY];
    const answer = await fetch(`${address}/readyz`);
    assert.equal(answer.status, 503);
    assert.deepEqual(await answer.json(), JSON.parse(JSON.stringify({ ok: false, checks: [READY, NOT_READY] })));
  });

  it('give the metrics in the format of Prometheus', async () => {
    const answer = await fetch(`${address}/metrics`);
    assert.match(answer.headers.get('content-type')!, /^text\/plain; version=0\.0\.4/);
    assert.match(await answer.text(), /^fedbroker_passes_total\{result="Succeeded"\} 1$/m);
  });

  it('go on when a scraper goes away in the middle', async () => {
    const gone = new AbortController();
    await server.close();
    sources = {
      ...sources,
      metrics: {
        contentType: 'text/plain',
        async *metrics() {
          yield 'a 1\n';
          await once(gone.signal, 'abort');
          yield 'b 1\n';
        },
      },
    };
    await start();
    const answer = await fetch(`${address}/metrics`, { signal: gone.signal });
    gone.abort();
    await assert.rejects(answer.text());
    assert.equal((await fetch(`${address}/livez`)).status, 200);
  });

  it('give the status as JSON, with 64-bit numbers as text', async () => {
    const answer = await fetch(`${address}/status`);
    assert.match(answer.headers.get('content-type')!, /^application\/json/);
    assert.deepEqual(await answer.json(), { trustDomain: 'east.example', sequence: '18446744073709551615' });
  });

  it('answer HEAD, and refuse to change anything', async () => {
    assert.equal((await fetch(`${address}/readyz`, { method: 'HEAD' })).status, 200);
    const refused = await fetch(`${address}/status`, { method: 'POST', body: '{}' });
    assert.equal(refused.status, 405);
    assert.equal(refused.headers.get('allow'), 'GET, HEAD');
  });

  it('name the pages there are when there is no such page', async () => {
    const answer = await fetch(`${address}/healthz`);
    assert.equal(answer.status, 404);
    assert.match(await answer.text(), /\/livez, \/readyz, \/status, \/metrics/);
  });

  it('are not cached and do not name the software', async () => {
    const { headers } = await fetch(`${address}/livez`);
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.equal(headers.get('x-powered-by'), null);
  });

  it('answer 500 without a stack when a source fails', async () => {
    await server.close();
    sources = {
      ...sources,
      status: () => {
        throw new Error('not now');
      },
    };
    await start();
    const answer = await fetch(`${address}/status`);
    assert.equal(answer.status, 500);
    assert.deepEqual(await answer.json(), { error: 'not now' });
  });
});

describe('the admin server', () => {
  it('refuses headers beyond its limit', async () => {
    const answer = await fetch(`${address}/livez`, { headers: { padding: 'x'.repeat(10_000) } });
    assert.equal(answer.status, 431);
  });

  it('rejects when its address is taken', async () => {
    const { port } = server;
    await assert.rejects(startAdminServer(createAdminApp(sources), { host: '127.0.0.1', port }), {
      code: 'EADDRINUSE',
    });
  });

  it('closes although a client keeps its connection', async () => {
    const socket = connect(server.port, '127.0.0.1');
    socket.write('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'data');
    const closed = once(socket, 'close');
    await server.close();
    await closed;
  });
});
