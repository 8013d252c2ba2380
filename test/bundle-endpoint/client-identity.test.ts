// Does our broker show its SVID to the endpoint that was declared, and to nobody else?
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { TLSSocket } from 'node:tls';
import { after, before, describe, it } from 'node:test';
import { parseSpiffeId } from '../../src/bundle/spiffe-id.ts';
import { BundleListener } from '../../src/bundle-endpoint/bundle-listener.ts';
import { shownChain } from '../../src/bundle-endpoint/client-certificate.ts';
import { createBundleSource } from '../../src/bundle-endpoint/fetch-bundle.ts';
import { systemClock } from '../../src/federation/clock.ts';
import type { EndpointTrust } from '../../src/federation/ports.ts';
import { makeCertificate, makeRoot, makeSvid, type Issued } from '../fakes/fake-ca.ts';

const WEST = parseSpiffeId('spiffe://west.example/federation-broker');
const LIMITS = { connectTimeoutMs: 2_000, totalTimeoutMs: 4_000, maxBodyBytes: 100_000, maxRedirects: 3 };

describe('a fetch', () => {
  const open: BundleListener[] = [];
  let [west, east]: Issued[] = [];
  let ours: Issued;
  let trust: EndpointTrust;
  /** How many certificates each request showed, by path. */
  const shown: [string | undefined, number][] = [];

  before(async () => {
    [west, east] = await Promise.all([makeRoot('west.example'), makeRoot('east.example')]);
    ours = await makeSvid(east, 'spiffe://east.example/federation-broker');
    trust = { type: 'https_spiffe', endpointSpiffeId: WEST, authorities: [west.der] };
  });
  after(() => Promise.all(open.map((listener) => listener.close(500))));

  async function listen(answer: RequestListener): Promise<string> {
    const listener = new BundleListener((request, response) => {
      assert.ok(request.socket instanceof TLSSocket);
      shown.push([request.url, shownChain(request.socket).length]);
      answer(request, response);
    });
    open.push(listener);
    const { keyPem, pem: chainPem } = await makeSvid(west!, WEST);
    listener.setIdentity({ keyPem, chainPem });
    const { port } = await listener.listen({ host: '127.0.0.1', port: 0 });
    return `https://127.0.0.1:${port}`;
  }

  it('shows it to the declared endpoint, within a redirect there too, and not to another that it is sent to', async () => {
    const other = await listen((_request, response) => response.end('{}'));
    const declared = await listen((request, response) => {
      const location = request.url === '/' ? '/second' : `${other}/third`;
      response.writeHead(302, { location }).end();
    });
    const identity = { keyPem: ours.keyPem, chainPem: ours.pem };
    await createBundleSource({
      limits: LIMITS,
      clock: systemClock,
      clientIdentity: () => Promise.resolve(identity),
    }).fetch({ url: `${declared}/`, trust });
    assert.deepEqual(shown.splice(0), [
      ['/', 1],
      ['/second', 1],
      ['/third', 0],
    ]);
  });

  it('shows it again to an endpoint that it knows, and the next one as soon as there is one', async () => {
    const url = await listen((_request, response) => response.end('{}'));
    const intermediate = await makeCertificate({ isCa: true, subject: 'CN=intermediate' }, east);
    const next = await makeSvid(intermediate, 'spiffe://east.example/federation-broker');
    let identity = { keyPem: ours.keyPem, chainPem: ours.pem };
    const source = createBundleSource({
      limits: LIMITS,
      clock: systemClock,
      clientIdentity: () => Promise.resolve(identity),
    });
    for (const path of ['/first', '/known']) await source.fetch({ url: `${url}${path}`, trust });
    identity = { keyPem: next.keyPem, chainPem: next.pem + intermediate.pem };
    await source.fetch({ url: `${url}/renewed`, trust });
    assert.deepEqual(shown.splice(0), [
      ['/first', 1],
      ['/known', 1],
      ['/renewed', 2],
    ]);
  });

  it('goes without one while there is none', async () => {
    const url = await listen((_request, response) => response.end('{}'));
    await createBundleSource({ limits: LIMITS, clock: systemClock }).fetch({ url: `${url}/`, trust });
    assert.deepEqual(shown.splice(0), [['/', 0]]);
  });
});
