// Is our SVID shown to every endpoint that may have a use for it, and spared where there is none?
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';
import { afterEach, before, beforeEach, describe, it } from 'node:test';
import { sparingIdentity } from '../../src/broker/sparing-identity.ts';
import { parseSpiffeId } from '../../src/bundle/spiffe-id.ts';
import { createBundleSource } from '../../src/bundle-endpoint/fetch-bundle.ts';
import { shownChain } from '../../src/bundle-endpoint/client-certificate.ts';
import type { BundleRequest, BundleSource } from '../../src/federation/ports.ts';
import { makeRoot, makeSvid, type Issued } from '../fakes/fake-ca.ts';

const WEST = parseSpiffeId('spiffe://west.example/federation-broker');
const LIMITS = { connectTimeoutMs: 2_000, totalTimeoutMs: 4_000, maxBodyBytes: 100_000, maxRedirects: 3 };

describe('our SVID', () => {
  let [west, theirs, ours]: Issued[] = [];
  let source: BundleSource;
  let etag: string | undefined;
  /** Whether each request that was answered showed a certificate. */
  let shown: boolean[];
  let close: () => void;

  before(async () => {
    const [westRoot, east] = await Promise.all([makeRoot('west.example'), makeRoot('east.example')]);
    west = westRoot;
    theirs = await makeSvid(west, WEST);
    ours = await makeSvid(east, 'spiffe://east.example/federation-broker');
  });
  beforeEach(() => {
    const { keyPem, pem: chainPem } = ours!;
    source = sparingIdentity(createBundleSource(LIMITS, () => Promise.resolve({ keyPem, chainPem })));
    [etag, shown] = [undefined, []];
  });
  afterEach(() => {
    close();
  });

  const isShown = (socket: unknown) => socket instanceof TLSSocket && shownChain(socket).length > 0;
  const document: RequestListener = (_request, response) =>
    response.writeHead(200, etag === undefined ? {} : { etag }).end('{"keys":[]}');

  async function listen(answer: RequestListener, { insists = false } = {}): Promise<BundleRequest> {
    const server = createServer(
      { key: theirs!.keyPem, cert: theirs!.pem, requestCert: true, rejectUnauthorized: false },
      (request, response) => {
        shown.push(isShown(request.socket));
        answer(request, response);
      },
    );
    if (insists) {
      server.prependListener('secureConnection', (socket) => {
        if (!isShown(socket)) socket.destroy();
      });
    }
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    close = () => server.close();
    const { port } = server.address() as AddressInfo;
    const trust = { type: 'https_spiffe', endpointSpiffeId: WEST, authorities: [west!.der] } as const;
    return { url: `https://127.0.0.1:${port}/`, trust };
  }

  async function fetched(request: BundleRequest, times: number): Promise<readonly boolean[]> {
    for (let time = 0; time < times; time++) await source.fetch(request);
    return shown.splice(0);
  }

  it('is shown to a broker, which names its documents, every time', async () => {
    etag = '"1"';
    assert.deepEqual(await fetched(await listen(document), 3), [true, true, true]);
  });

  it('is shown once to an endpoint that gives documents without a name, and again when it becomes a broker', async () => {
    const request = await listen(document);
    assert.deepEqual(await fetched(request, 3), [true, false, false]);
    etag = '"1"';
    assert.deepEqual(await fetched(request, 3), [false, true, true]);
  });

  it('is shown again to a broker that once gave a document without a name, also when nothing was modified since', async () => {
    const request = await listen((message, response) => {
      if (message.headers['if-none-match'] === undefined) document(message, response);
      else response.writeHead(304, { etag: '"1"' }).end();
    });
    assert.deepEqual(await fetched(request, 1), [true]);
    assert.deepEqual(await fetched({ ...request, appliedEtag: '"1"' }, 3), [false, true, true]);
  });

  it('is shown always to an endpoint that cuts off whoever has none, and no fetch fails of it', async () => {
    assert.deepEqual(await fetched(await listen(document, { insists: true }), 4), [true, true, true, true]);
  });

  it('is shown always to an endpoint that refuses whoever has none', async () => {
    const request = await listen((message, response) => {
      if (isShown(message.socket)) document(message, response);
      else response.writeHead(403).end();
    });
    assert.deepEqual(await fetched(request, 4), [true, false, true, true, true]);
  });

  it('is no answer to every failure: one that lasts is tried once as ourselves, and sparing begins anew after it', async () => {
    let fails = false;
    const request = await listen((message, response) => {
      if (fails) response.writeHead(500).end();
      else document(message, response);
    });
    assert.deepEqual(await fetched(request, 2), [true, false]);
    fails = true;
    for (let time = 0; time < 2; time++) await assert.rejects(source.fetch(request), { code: 'StatusUnexpected' });
    assert.deepEqual(shown.splice(0), [false, true, true]);
    fails = false;
    assert.deepEqual(await fetched(request, 2), [true, false]);
  });
});
