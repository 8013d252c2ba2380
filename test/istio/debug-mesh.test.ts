// Does the broker read what istiod merged, and end in time whatever answers there?
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { createDebugMesh, type DebugMeshOptions } from '../../src/istio/debug-mesh.ts';
import { IstiodError, type IstiodErrorCode } from '../../src/istio/istiod-error.ts';
import { FakeClock } from '../fakes/fake-clock.ts';

const TIMEOUT_MS = 5_000;
/** As istiod 1.29.6 writes it, without what does not matter here. */
const MESH_CONFIG = {
  proxyListenPort: 15001,
  defaultConfig: { discoveryAddress: 'istiod.istio-system.svc:15012', meshId: 'east' },
  trustDomain: 'east.test',
  trustDomainAliases: ['old.test'],
  caCertificates: [
    { trustDomains: ['north.test', 'west.test'] },
    { pem: 'A' },
    { pem: 'B', trustDomains: ['south.test'], certSigners: ['signer'] },
    { pem: '' },
  ],
};

describe("istiod's /debug/mesh", () => {
  let server: Server | undefined;
  const clock = new FakeClock();

  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
  });

  /** Resolves to the URL without a path. */
  async function serve(listener: RequestListener): Promise<string> {
    server = createServer(listener);
    await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  const answer =
    (status: number, body: string): RequestListener =>
    (_request, response) => {
      response.writeHead(status).end(body);
    };

  const meshAt = (url: string, options: Partial<DebugMeshOptions> = {}) =>
    createDebugMesh({ url, clock, timeoutMs: TIMEOUT_MS, ...options });

  it('names the trust domains and PEMs of all entries, in their order', async () => {
    const url = await serve((request, response) => {
      assert.equal(request.method, 'GET');
      response.writeHead(request.url === '/debug/mesh' ? 200 : 404).end(JSON.stringify(MESH_CONFIG, undefined, 2));
    });
    assert.deepEqual(await meshAt(url).read(), {
      trustDomains: ['north.test', 'west.test', 'south.test'],
      pems: ['A', 'B'],
    });
    assert.equal(clock.pending, 0);
  });

  for (const body of ['{}', '{"caCertificates":null}', '{"caCertificates":[{"pem":null,"trustDomains":null}]}']) {
    it(`finds nothing in ${body}`, async () => {
      assert.deepEqual(await meshAt(await serve(answer(200, body))).read(), { trustDomains: [], pems: [] });
    });
  }

  it('says who it is by a token that is read for every request', async () => {
    const seen: (string | undefined)[] = [];
    const url = await serve(({ headers }, response) => {
      seen.push(headers.authorization);
      response.end('{}');
    });
    let reads = 0;
    const mesh = meshAt(url, { readToken: () => Promise.resolve(`token-${++reads}\n`) });
    await mesh.read();
    await mesh.read();
    await meshAt(url).read();
    assert.deepEqual(seen, ['Bearer token-1', 'Bearer token-2', undefined]);
  });

  it('says that its own token cannot be read, and asks nobody', async () => {
    const url = await serve(() => assert.fail('it was asked'));
    const mesh = meshAt(url, { readToken: () => Promise.reject(new Error('ENOENT')) });
    await assert.rejects(mesh.read(), failure('IstiodTokenUnreadable', /ENOENT/));
  });

  const REFUSED: readonly (readonly [sentence: string, RequestListener, IstiodErrorCode, RegExp])[] = [
    ['does not know who asks', answer(401, ''), 'IstiodCallerRefused', /status 401: .*audience istio-ca/],
    ['refuses our namespace', answer(403, ''), 'IstiodCallerRefused', /DEBUG_ENDPOINT_AUTH_ALLOWED_NAMESPACES/],
    ['has no debug endpoints', answer(404, ''), 'IstiodDebugMissing', /ENABLE_DEBUG_ON_HTTP/],
    ['redirects', answer(302, ''), 'IstiodStatusUnexpected', /status 302/],
    ['answers a web page', answer(200, '<html>'), 'IstiodAnswerInvalid', /not JSON/],
    ['answers a list', answer(200, '[]'), 'IstiodAnswerInvalid', /expected object/],
    [
      'answers entries of another form',
      answer(200, '{"caCertificates":[{"pem":1}]}'),
      'IstiodAnswerInvalid',
      /caCertificates\.0\.pem/,
    ],
    ['cuts the connection', ({ socket }) => socket.destroy(), 'IstiodUnreachable', /ECONNRESET/],
    [
      'cuts its answer',
      (_request, response) => {
        response.writeHead(200, { 'content-length': 100 }).write('{');
        setImmediate(() => response.destroy());
      },
      'IstiodUnreachable',
      /ECONNRESET/,
    ],
    [
      'answers without end',
      (_request, response) => {
        const more = () => {
          while (!response.destroyed && response.write(' '.repeat(64 * 1024)));
        };
        response.on('drain', more);
        more();
      },
      'IstiodAnswerTooLarge',
      /more than 4194304 bytes/,
    ],
  ];
  for (const [sentence, listener, code, text] of REFUSED) {
    it(`fails with ${code} when istiod ${sentence}`, async () => {
      await assert.rejects(meshAt(await serve(listener)).read(), failure(code, text));
      assert.equal(clock.pending, 0);
    });
  }

  for (const [sentence, begin] of [
    ['does not answer', () => undefined],
    ['does not finish its answer', (response: Parameters<RequestListener>[1]) => response.writeHead(200).write('{')],
  ] as const) {
    it(`gives up in time when istiod ${sentence}`, async () => {
      const url = await serve((_request, response) => {
        begin(response);
      });
      const asked = once(server!, 'request');
      const reading = meshAt(url).read();
      await asked;
      clock.advance(TIMEOUT_MS);
      await assert.rejects(reading, failure('IstiodDeadlineExceeded', /within 5000 ms/));
    });
  }

  it('gives up when its signal aborts, also when it had aborted before', async () => {
    const abort = new AbortController();
    const url = await serve(() => {
      abort.abort();
    });
    await assert.rejects(meshAt(url).read(abort.signal), failure('IstiodCancelled', /cancelled/));
    await assert.rejects(meshAt(url).read(abort.signal), failure('IstiodCancelled', /cancelled/));
  });

  it('says that nothing listens there', async () => {
    const url = await serve(answer(200, ''));
    server?.close();
    await assert.rejects(meshAt(url).read(), failure('IstiodUnreachable', /ECONNREFUSED/));
  });
});

function failure(code: IstiodErrorCode, text: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof IstiodError);
    assert.equal(error.code, code);
    assert.match(error.message, /^http:\/\/127\.0\.0\.1:\d+\/debug\/mesh: /);
    assert.match(error.message, text);
    return true;
  };
}
