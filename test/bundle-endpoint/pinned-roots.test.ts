// At first contact, does a pin let in the endpoint that has the pinned key, and nobody who merely shows it?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { serializeBundle } from '../../src/bundle/bundle-document.ts';
import { pinOfCertificate } from '../../src/bundle/spki-pin.ts';
import { parseSpiffeId } from '../../src/bundle/spiffe-id.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { createBundleSource } from '../../src/bundle-endpoint/fetch-bundle.ts';
import { systemClock } from '../../src/federation/clock.ts';
import { makeRoot, makeSvid, type Issued } from '../fakes/fake-ca.ts';
import { faultyHandlers, startEndpoint, startSilentServer } from '../fakes/hostile-endpoint.ts';

const ID = parseSpiffeId('spiffe://west.example/federation-broker');
const LIMITS = { connectTimeoutMs: 2_000, totalTimeoutMs: 4_000, maxBodyBytes: 100_000, maxRedirects: 3 };
const source = createBundleSource({ limits: LIMITS, clock: systemClock });
const open: { close(): Promise<void> }[] = [];

let root: Issued;
let evil: Issued;

before(async () => {
  root = await makeRoot('west.example');
  evil = await makeRoot('west.example');
});
after(() => Promise.all(open.map((each) => each.close())));

function documentOf(...roots: readonly Issued[]): Buffer {
  const bundle = {
    trustDomain: parseTrustDomain('west.example'),
    x509Authorities: roots.map(({ der }) => der),
    jwtAuthorities: [],
    sequenceNumber: 1n,
    refreshHintSeconds: undefined,
  };
  return serializeBundle(bundle, { refreshHintSeconds: 60 });
}

async function fetchFrom(leaf: Issued, body: Buffer, pinned: readonly Issued[]) {
  const endpoint = await startEndpoint(leaf, (_request, response) => response.writeHead(200).end(body));
  open.push(endpoint);
  const trust = {
    type: 'https_spiffe',
    endpointSpiffeId: ID,
    authorities: [],
    pins: pinned.map(({ der }) => pinOfCertificate(der)),
  } as const;
  return { endpoint, answer: source.fetch({ url: endpoint.url, trust }) };
}

describe('first contact by a pin', () => {
  it('accepts the endpoint whose SVID a pinned root has issued, and keeps who it was', async () => {
    const { answer } = await fetchFrom(await makeSvid(root, ID), documentOf(root, evil), [root]);
    const document = await answer;
    assert.ok(document.kind === 'Document');
    assert.equal(document.endpoint?.certificates.length, 2);
  });

  it('refuses one that publishes the pinned root but is not certified by it', async () => {
    const { answer } = await fetchFrom(await makeSvid(evil, ID), documentOf(root, evil), [root]);
    await assert.rejects(answer, { code: 'EndpointRootUnknown' });
  });

  it('refuses one that publishes no pinned root', async () => {
    const { endpoint, answer } = await fetchFrom(await makeSvid(evil, ID), documentOf(evil), [root]);
    await assert.rejects(answer, { code: 'PinnedRootMissing' });
    assert.equal(endpoint.requests.length, 1);
  });

  it('refuses one with another SPIFFE ID, though its certificate is of the pinned root', async () => {
    const { answer } = await fetchFrom(await makeSvid(root, 'spiffe://west.example/web'), documentOf(root), [root]);
    await assert.rejects(answer, { code: 'EndpointIdWrong' });
  });

  it('refuses what is no bundle', async () => {
    const { answer } = await fetchFrom(await makeSvid(root, ID), Buffer.from('<html>'), [root]);
    await assert.rejects(answer, { code: 'PinnedRootMissing' });
  });

  it('reads no more than any fetch', async () => {
    const { answer } = await fetchFrom(await makeSvid(root, ID), Buffer.alloc(200_000, ' '), [root]);
    await assert.rejects(answer, { code: 'BodyTooLarge' });
  });

  it('gives up as any fetch on a server that accepts and says nothing, or never ends its answer', async () => {
    const trust = { type: 'https_spiffe', endpointSpiffeId: ID, authorities: [], pins: ['any'] } as const;
    const silent = await startSilentServer();
    const endless = await startEndpoint(await makeSvid(root, ID), faultyHandlers(documentOf(root)).neverAnswers);
    open.push(silent, endless);
    const hasty = createBundleSource({
      limits: { ...LIMITS, connectTimeoutMs: 100, totalTimeoutMs: 300 },
      clock: systemClock,
    });
    const silentUrl = `https://127.0.0.1:${silent.port}/`;
    await assert.rejects(hasty.fetch({ url: silentUrl, trust }), { code: 'ConnectTimeout' });
    await assert.rejects(hasty.fetch({ url: endless.url, trust }), { code: 'DeadlineExceeded' });
  });

  it('asks nobody where the URL is none of https', async () => {
    const trust = { type: 'https_spiffe', endpointSpiffeId: ID, authorities: [], pins: ['any'] } as const;
    await assert.rejects(source.fetch({ url: 'http://127.0.0.1:9/', trust }), { code: 'UrlInvalid' });
  });
});
