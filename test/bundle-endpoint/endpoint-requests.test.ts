// Is an endpoint known again by what it proved before, and by nothing else? (SPIFFE Federation §5.2.2.4)
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { fingerprint } from '../../src/bundle/bundle.ts';
import { parseSpiffeId } from '../../src/bundle/spiffe-id.ts';
import { EndpointRequests } from '../../src/bundle-endpoint/endpoint-requests.ts';
import type { EndpointTrust } from '../../src/federation/ports.ts';
import { makeCertificate, makeRoot, makeSvid, type Issued } from '../fakes/fake-ca.ts';
import { FakeClock } from '../fakes/fake-clock.ts';
import { startEndpoint, type FakeEndpoint } from '../fakes/hostile-endpoint.ts';

const ID = parseSpiffeId('spiffe://west.example/federation-broker');
const HOUR_MS = 3_600_000;

describe('an endpoint that proved its identity', () => {
  let root: Issued;
  let svid: Issued;
  let endpoint: FakeEndpoint;
  let requests: EndpointRequests;
  let clock: FakeClock;
  let trust: EndpointTrust;

  before(async () => {
    root = await makeRoot('west.example');
    svid = await makeSvid(root, ID, { notAfter: new Date(Date.now() + HOUR_MS) });
    endpoint = await startEndpoint(svid, (_request, response) => response.end());
  });
  after(() => endpoint.close());
  beforeEach(async () => {
    clock = new FakeClock(new Date());
    requests = new EndpointRequests(clock);
    trust = trusting(root);
    endpoint.setIdentity(svid);
    await ask();
  });

  function trusting(...authorities: readonly Issued[]): EndpointTrust {
    return { type: 'https_spiffe', endpointSpiffeId: ID, authorities: authorities.map(({ der }) => der) };
  }

  /** What was shown, and how many connections and requests that took. */
  async function ask(by: EndpointTrust = trust): Promise<{ shown: readonly string[]; took: [number, number] }> {
    const before = [endpoint.connections(), endpoint.requests.length] as const;
    const { response, fingerprints } = await requests.send({
      url: new URL(endpoint.url),
      trust: by,
      identity: undefined,
      headers: {},
      connectTimeoutMs: 2_000,
      signal: AbortSignal.timeout(5_000),
    });
    response.destroy();
    return { shown: fingerprints, took: [endpoint.connections() - before[0], endpoint.requests.length - before[1]] };
  }

  it('is known again by its certificate, and the way to its root is told again', async () => {
    const { shown, took } = await ask();
    assert.deepEqual(
      [shown, took],
      [
        [fingerprint(svid.der), fingerprint(root.der)],
        [1, 1],
      ],
    );
  });

  it('is judged anew with another certificate, and is not asked before it is', async () => {
    const renewed = await makeSvid(root, ID);
    endpoint.setIdentity(renewed);
    assert.deepEqual((await ask()).took, [2, 1]);
    assert.deepEqual(await ask(), { shown: [renewed, root].map(({ der }) => fingerprint(der)), took: [1, 1] });
  });

  it('is known by each certificate it showed, as one with replicas is', async () => {
    endpoint.setIdentity(await makeSvid(root, ID));
    await ask();
    endpoint.setIdentity(svid);
    assert.deepEqual((await ask()).took, [1, 1]);
  });

  it('is told from one that shows its name by a root that is not held', async () => {
    endpoint.setIdentity(await makeSvid(await makeRoot('west.example'), ID));
    const before = endpoint.requests.length;
    await assert.rejects(ask(), { code: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' });
    assert.equal(endpoint.requests.length, before);
  });

  it('is not known by what other authorities proved, and not dialled without any', async () => {
    const before = endpoint.connections();
    await assert.rejects(ask(trusting(await makeRoot('west.example'))), { code: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' });
    await assert.rejects(ask(trusting()), { code: 'NoAuthorities' });
    assert.equal(endpoint.connections() - before, 1);
  });

  it('is known again while the authorities that it proved itself by are held, among others or alone', async () => {
    const next = await makeRoot('west.example');
    assert.deepEqual((await ask(trusting(next, root))).took, [1, 1]);
    const both = await makeSvid(root, ID);
    endpoint.setIdentity(both);
    assert.deepEqual((await ask(trusting(next, root))).took, [2, 1]);
    // By the root alone the certificate before is known, and this one is not.
    assert.deepEqual((await ask(trusting(root))).took, [2, 1]);
    assert.deepEqual((await ask(trusting(root))).took, [1, 1]);
  });

  it('is not known under another SPIFFE ID', async () => {
    const other = { ...trust, endpointSpiffeId: parseSpiffeId('spiffe://west.example/other') } as EndpointTrust;
    await assert.rejects(ask(other), { code: 'EndpointIdWrong' });
    assert.deepEqual((await ask()).took, [1, 1]);
  });

  it('is judged anew when its certificate has ended, also beside a replica whose has not', async () => {
    endpoint.setIdentity(await makeSvid(root, ID));
    await ask();
    endpoint.setIdentity(svid);
    clock.advance(HOUR_MS + 1_000);
    assert.deepEqual((await ask()).took, [2, 1]);
  });

  it('is judged anew when an authority has ended, whichever led to it', async () => {
    const short = await makeRoot('west.example', { notAfter: new Date(Date.now() + HOUR_MS / 2) });
    trust = trusting(root, short);
    endpoint.setIdentity(await makeSvid(root, ID));
    assert.deepEqual((await ask()).took, [2, 1]);
    clock.advance(HOUR_MS / 4);
    assert.deepEqual((await ask()).took, [1, 1]);
    clock.advance(HOUR_MS / 4 + 1_000);
    assert.deepEqual((await ask()).took, [2, 1]);
  });

  it('is known again beside an authority that had ended before', async () => {
    trust = trusting(root, await makeRoot('west.example', { notAfter: new Date(Date.now() - HOUR_MS) }));
    endpoint.setIdentity(await makeSvid(root, ID));
    await ask();
    assert.deepEqual((await ask()).took, [1, 1]);
  });

  it('is judged at every request where its chain is longer than what is looked at', async () => {
    let issuer = root;
    const chain: Issued[] = [];
    for (let depth = 0; depth < 8; depth++) {
      issuer = await makeCertificate({ isCa: true, subject: `CN=intermediate ${depth}` }, issuer);
      chain.unshift(issuer);
    }
    const leaf = await makeSvid(issuer, ID);
    endpoint.setIdentity({ ...leaf, pem: [leaf, ...chain].map(({ pem }) => pem).join('') });
    for (const attempt of ['first', 'second']) {
      const { shown, took } = await ask();
      assert.deepEqual([attempt, shown.length, took], [attempt, 8, [2, 1]]);
    }
  });

  it('is judged at every request where it is of https_web', async () => {
    const ca = await makeCertificate({ isCa: true, subject: 'CN=web CA' });
    const web: EndpointTrust = { type: 'https_web', caPem: ca.pem };
    endpoint.setIdentity(await makeCertificate({ ipAddresses: ['127.0.0.1'] }, ca));
    for (let turn = 0; turn < 2; turn++) assert.deepEqual((await ask(web)).took, [1, 1]);
    endpoint.setIdentity(await makeCertificate({ ipAddresses: ['127.0.0.1'] }));
    await assert.rejects(ask(web));
  });
});
