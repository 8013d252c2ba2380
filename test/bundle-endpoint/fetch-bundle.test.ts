// Does a fetch give the document of the right endpoint, and of no other, within its limits? (SPIFFE Federation §5)
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parseSpiffeId } from '../../src/bundle/spiffe-id.ts';
import { createBundleSource } from '../../src/bundle-endpoint/fetch-bundle.ts';
import { systemClock } from '../../src/federation/clock.ts';
import type { BundleRequest, EndpointTrust } from '../../src/federation/ports.ts';
import { makeCertificate, makeRoot, makeSvid, type CertificateOptions, type Issued } from '../fakes/fake-ca.ts';
import {
  closedPort,
  faultyHandlers,
  startEndpoint,
  startSilentServer,
  type FakeEndpoint,
  type FaultName,
} from '../fakes/hostile-endpoint.ts';

const ID = parseSpiffeId('spiffe://west.example/federation-broker');
const DOCUMENT = Buffer.from('{"keys":[]}');
const LIMITS = { connectTimeoutMs: 2_000, totalTimeoutMs: 4_000, maxBodyBytes: 100_000, maxRedirects: 3 };
const source = createBundleSource({ limits: LIMITS, clock: systemClock });
const hasty = createBundleSource({
  limits: { ...LIMITS, connectTimeoutMs: 150, totalTimeoutMs: 300 },
  clock: systemClock,
});

let root: Issued;
let svid: Issued;
const open: { close(): Promise<void> }[] = [];

before(async () => {
  root = await makeRoot('west.example');
  svid = await makeSvid(root, ID);
});
after(() => Promise.all(open.map((each) => each.close())));

function spiffe(...authorities: readonly Issued[]): EndpointTrust {
  return { type: 'https_spiffe', endpointSpiffeId: ID, authorities: authorities.map(({ der }) => der) };
}

async function endpoint(leaf: Issued, handle?: Parameters<typeof startEndpoint>[1]): Promise<FakeEndpoint> {
  const started = await startEndpoint(
    leaf,
    handle ?? ((_request, response) => response.writeHead(200, { etag: '"e1"' }).end(DOCUMENT)),
  );
  open.push(started);
  return started;
}

describe('fetching with https_spiffe', () => {
  it('gives the document and its entity tag', async () => {
    const { url } = await endpoint(svid);
    const answer = await source.fetch({ url, trust: spiffe(root) });
    assert.ok(answer.kind === 'Document');
    assert.deepEqual([Buffer.from(answer.body), answer.etag, answer.waitApplied], [DOCUMENT, '"e1"', false]);
  });

  it('takes an authority that is not self-signed', async () => {
    const intermediate = await makeCertificate({ isCa: true, subject: 'CN=intermediate' }, root);
    const { url } = await endpoint(await makeSvid(intermediate, ID));
    assert.equal((await source.fetch({ url, trust: spiffe(intermediate) })).kind, 'Document');
  });

  it('does not dial without authorities: Node would trust the public ones', async () => {
    const { url, requests } = await endpoint(svid);
    await assert.rejects(source.fetch({ url, trust: spiffe() }), { code: 'NoAuthorities' });
    assert.equal(requests.length, 0);
  });

  it('names the root that it does not hold, and who claims to be there', async () => {
    const { url } = await endpoint(svid);
    const other = await makeRoot('west.example');
    await assert.rejects(source.fetch({ url, trust: spiffe(other) }), {
      code: 'EndpointRootUnknown',
      message: /spiffe:\/\/west\.example\/federation-broker .*signed by a root that is not held/,
    });
  });

  it('refuses another SPIFFE ID of the same trust domain', async () => {
    const { url } = await endpoint(await makeSvid(root, 'spiffe://west.example/other'));
    await assert.rejects(source.fetch({ url, trust: spiffe(root) }), {
      code: 'EndpointIdWrong',
      message: /the endpoint is spiffe:\/\/west\.example\/other, not spiffe:\/\/west\.example\/federation-broker/,
    });
  });

  const certificates: readonly (readonly [string, CertificateOptions, string])[] = [
    ['a certificate with two URIs', { uris: [ID, 'spiffe://east.example/x'] }, 'EndpointCertificateInvalid'],
    ['an expired certificate', { notAfter: new Date('2021-01-01') }, 'EndpointCertificateExpired'],
    ['a certificate of the future', { notBefore: new Date('2089-01-01') }, 'EndpointCertificateExpired'],
    ['a CA certificate as leaf', { isCa: true }, 'EndpointCertificateInvalid'],
  ];
  for (const [what, options, code] of certificates) {
    it(`refuses ${what}`, async () => {
      const { url } = await endpoint(await makeSvid(root, ID, options));
      await assert.rejects(source.fetch({ url, trust: spiffe(root) }), { code });
    });
  }

  it('says that the profile is perhaps https_web when the endpoint shows no SPIFFE ID', async () => {
    const { url } = await endpoint(await makeCertificate({ dnsNames: ['bundle.west.example'] }));
    await assert.rejects(source.fetch({ url, trust: spiffe(root) }), {
      code: 'ProfileMismatch',
      message: /bundle\.west\.example.*maybe its profile is https_web/,
    });
  });

  it('checks the identity on every connection: no session is resumed', async () => {
    const server = await endpoint(svid);
    await source.fetch({ url: server.url, trust: spiffe(root) });
    server.setIdentity(await makeSvid(root, 'spiffe://west.example/impostor'));
    await assert.rejects(source.fetch({ url: server.url, trust: spiffe(root) }), { code: 'EndpointIdWrong' });
  });
});

describe('fetching with https_web', () => {
  let ca: Issued;
  before(async () => {
    ca = await makeCertificate({ isCa: true, subject: 'CN=web CA' });
  });
  const web = (caPem?: string): EndpointTrust => ({ type: 'https_web', ...(caPem !== undefined && { caPem }) });

  it('trusts a configured authority', async () => {
    const { url } = await endpoint(await makeCertificate({ ipAddresses: ['127.0.0.1'] }, ca));
    assert.equal((await source.fetch({ url, trust: web(ca.pem) })).kind, 'Document');
  });

  it('does not trust a private authority by itself, and says what to do', async () => {
    const { url } = await endpoint(await makeCertificate({ ipAddresses: ['127.0.0.1'] }, ca));
    await assert.rejects(source.fetch({ url, trust: web() }), {
      code: 'WebCertificateUntrusted',
      message: /webPKI\.caBundle/,
    });
  });

  it('refuses a certificate of another host', async () => {
    const { url } = await endpoint(await makeCertificate({ dnsNames: ['elsewhere.example'] }, ca));
    await assert.rejects(source.fetch({ url, trust: web(ca.pem) }), { code: 'WebNameWrong' });
  });

  it('says that the profile is perhaps https_spiffe when the endpoint presents a SPIFFE ID', async () => {
    const { url } = await endpoint(svid);
    for (const trust of [web(), web(root.pem)]) {
      await assert.rejects(source.fetch({ url, trust }), {
        code: 'ProfileMismatch',
        message: /presents spiffe:\/\/west\.example\/federation-broker: maybe its profile is https_spiffe/,
      });
    }
  });
});

describe('a fetch', () => {
  const fetchFrom = (url: string, more: Partial<BundleRequest> = {}, by = source) =>
    by.fetch({ url, trust: spiffe(root), ...more });

  const faults: Readonly<Record<FaultName, string>> = {
    status503: 'StatusUnexpected',
    status404: 'StatusUnexpected',
    status206: 'StatusUnexpected',
    unasked304: 'StatusUnexpected',
    html: 'ContentIsHtml',
    tooLarge: 'BodyTooLarge',
    tooLargeUndeclared: 'BodyTooLarge',
    gzipBomb: 'BodyTooLarge',
    brokenGzip: 'ConnectionLost',
    brotli: 'EncodingUnsupported',
    hugeHeaders: 'HeadersTooLarge',
    neverAnswers: 'DeadlineExceeded',
    drip: 'DeadlineExceeded',
    resetWithin: 'ConnectionLost',
    redirectLoop: 'TooManyRedirects',
    redirectToHttp: 'RedirectRefused',
    redirectWithUser: 'RedirectRefused',
    redirectNowhere: 'RedirectRefused',
    redirectWithoutLocation: 'StatusUnexpected',
  };
  for (const [fault, code] of Object.entries(faults)) {
    it(`ends with ${code} when the endpoint does ${fault}`, async () => {
      const { url } = await endpoint(svid, faultyHandlers(DOCUMENT)[fault as FaultName]);
      await assert.rejects(fetchFrom(url, {}, code === 'DeadlineExceeded' ? hasty : source), { code });
    });
  }

  it('keeps what a redirect carries in its query out of its message', async () => {
    const { url } = await endpoint(svid, faultyHandlers(DOCUMENT).redirectToHttp);
    await assert.rejects(fetchFrom(url), (error: Error) => !error.message.includes('secret'));
  });

  it('follows a redirect to an endpoint with the same identity, and starts again from the configured URL', async () => {
    const target = await endpoint(svid);
    const first = await endpoint(svid, (_request, response) => response.writeHead(301, { location: target.url }).end());
    await fetchFrom(first.url);
    await fetchFrom(first.url);
    assert.deepEqual([first.requests.length, target.requests.length], [2, 2]);
  });

  it('refuses a redirect to an endpoint with another identity', async () => {
    const target = await endpoint(await makeSvid(root, 'spiffe://west.example/other'));
    const { url } = await endpoint(svid, (_request, response) =>
      response.writeHead(302, { location: target.url }).end(),
    );
    await assert.rejects(fetchFrom(url), { code: 'EndpointIdWrong' });
    assert.equal(target.requests.length, 0);
  });

  it('names the document that was applied, asks to wait, and hears that the answer was held', async () => {
    const server = await endpoint(svid, (_request, response) =>
      response.writeHead(304, { 'preference-applied': 'respond-async, wait=30' }).end(),
    );
    const answer = await fetchFrom(server.url, { appliedEtag: '"e1"', waitSeconds: 30 });
    assert.deepEqual(answer, { kind: 'NotModified', waitApplied: true });
    const headers = server.requests[0]?.headers;
    assert.deepEqual([headers?.['if-none-match'], headers?.['prefer']], ['"e1"', 'wait=30']);
  });

  it('gives an answer that is held the time it was asked to take', async () => {
    const server = await endpoint(svid, (_request, response) => {
      setTimeout(() => response.writeHead(200).end(DOCUMENT), 500);
    });
    await assert.rejects(fetchFrom(server.url, {}, hasty), { code: 'DeadlineExceeded' });
    const answer = await fetchFrom(server.url, { appliedEtag: '"e1"', waitSeconds: 2 }, hasty);
    assert.equal(answer.kind, 'Document');
  });

  it('gives up on a server that accepts and says nothing', async () => {
    const silent = await startSilentServer();
    open.push(silent);
    const impatient = createBundleSource({ limits: { ...LIMITS, connectTimeoutMs: 100 }, clock: systemClock });
    await assert.rejects(fetchFrom(`https://127.0.0.1:${silent.port}/`, {}, impatient), { code: 'ConnectTimeout' });
  });

  it('says so when no TLS is spoken, nobody listens, or the name is unknown', async () => {
    const plain = await startSilentServer('HTTP/1.1 400 Bad Request\r\n\r\n');
    open.push(plain);
    await assert.rejects(fetchFrom(`https://127.0.0.1:${plain.port}/`), { code: 'TlsFailed' });
    await assert.rejects(fetchFrom(`https://127.0.0.1:${await closedPort()}/`), { code: 'ConnectFailed' });
    await assert.rejects(fetchFrom('https://bundle.invalid/'), { code: 'NameNotResolved' });
  });

  for (const url of ['http://127.0.0.1/', 'https://user:pw@127.0.0.1/', 'ftp://127.0.0.1/', 'bundle']) {
    it(`refuses the URL ${url}`, async () => {
      await assert.rejects(fetchFrom(url), { code: 'UrlInvalid' });
    });
  }

  it('ends at once when it is cancelled', async () => {
    const { url } = await endpoint(svid, faultyHandlers(DOCUMENT).neverAnswers);
    const cancel = new AbortController();
    const fetching = source.fetch({ url, trust: spiffe(root) }, cancel.signal);
    cancel.abort();
    await assert.rejects(fetching, { code: 'Cancelled' });
  });
});
