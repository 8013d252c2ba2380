// E7: does a hostile or broken peer change anything in SPIRE? Every answer, and then the truth again.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { serializeBundle } from '../../src/bundle/bundle-document.ts';
import type { Bundle } from '../../src/bundle/bundle.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import type { SpireServerClient } from '../../src/spire/spire-server.ts';
import { makeRoot, makeSvid, type Issued } from '../fakes/fake-ca.ts';
import { faultyHandlers, startEndpoint, type FakeEndpoint } from '../fakes/hostile-endpoint.ts';
import { startBroker, type Broker } from './harness/broker.ts';
import { Cleanup } from './harness/cleanup.ts';
import { startSpireAgent, type SpireAgent } from './harness/spire-agent.ts';
import { startSpireServer, type SpireServer } from './harness/spire-server.ts';
import { openApi } from './harness/stored-roots.ts';
import type { RequestListener } from 'node:http';

const EAST = parseTrustDomain('east.test');
const ID = 'spiffe://east.test/federation-broker';

describe('E7: a peer that answers nonsense, attacks, or is somebody else', () => {
  const cleanup = new Cleanup();
  let server: SpireServer;
  let agent: SpireAgent;
  let broker: Broker;
  let api: SpireServerClient;
  let endpoint: FakeEndpoint;
  let root: Issued;
  let svid: Issued;
  let handle: RequestListener;
  let entryId: string;

  const truth = (changes: Partial<Bundle> = {}): Buffer =>
    serializeBundle(
      {
        trustDomain: EAST,
        x509Authorities: [root.der],
        jwtAuthorities: [],
        sequenceNumber: 41n,
        refreshHintSeconds: 1,
        ...changes,
      },
      { refreshHintSeconds: 1 },
    );
  const answer =
    (body: Buffer | string): RequestListener =>
    (_request, response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(body);

  before(async () => {
    [root, server] = await Promise.all([makeRoot('east.test'), startSpireServer(cleanup, 'west.test')]);
    svid = await makeSvid(root, ID);
    endpoint = await startEndpoint(svid, (request, response) => {
      handle(request, response);
    });
    cleanup.add(() => endpoint.close());
    handle = answer(truth());
    agent = await startSpireAgent(cleanup, server);
    entryId = await agent.registerWorkload({ path: '/workload' });
    api = openApi(cleanup, server);
    broker = await startBroker(cleanup, server, {
      'refresh-min-seconds': 1,
      'refresh-max-seconds': 1,
      'refresh-default-seconds': 1,
      'fetch-timeout-ms': 1_000,
      'connect-timeout-ms': 1_000,
      'long-poll-seconds': 'off',
    });
    broker.declare('east', {
      trustDomain: EAST,
      bundleEndpointURL: endpoint.url,
      bundleEndpointProfile: { type: 'https_spiffe', endpointSPIFFEID: ID },
      trustDomainBundle: { inline: truth().toString() },
      federatesWith: { entries: [{ spiffeID: 'spiffe://west.test/**' }] },
    });
    await broker.waitForPeer(EAST);
    await agent.waitForX509(({ federatedRoots }) => federatedRoots.has(EAST));
  });
  after(() => cleanup.run());

  const entry = async () =>
    JSON.parse(await server.cli(['entry', 'show', '-entryID', entryId, '-output', 'json'])) as unknown;

  /** The reason that stands in the way of Ready. */
  async function staysHeldWith(reason: string): Promise<void> {
    await broker.waitForPeer(EAST, ({ conditions }) =>
      conditions.some((each) => each.type === 'Ready' && each.reason === reason),
    );
  }

  const faults = faultyHandlers(Buffer.from('{}'));
  const rows: readonly (readonly [string, string, () => RequestListener | Promise<RequestListener>])[] = [
    ['{}', 'KeysMissing', () => answer('{}')],
    ['null keys', 'DocumentNotABundle', () => answer('{"keys":null}')],
    ['no keys', 'EmptyBundle', () => answer('{"keys":[]}')],
    [
      'nothing but expired roots',
      'AllRootsExpired',
      async () => {
        const gone = await makeRoot(EAST, { notAfter: new Date('2021-01-01') });
        return answer(truth({ x509Authorities: [gone.der], sequenceNumber: 42n }));
      },
    ],
    ['a document from before', 'SequenceRollback', () => answer(truth({ sequenceNumber: 40n }))],
    ['a document with trailing data', 'DocumentNotJson', () => answer(Buffer.concat([truth(), Buffer.from('{}')]))],
    [
      'somebody else’s root',
      'RootNamesOtherTrustDomain',
      async () =>
        answer(truth({ x509Authorities: [root.der, (await makeRoot('north.test')).der], sequenceNumber: 42n })),
    ],
    [
      'our own root',
      'OwnRoot',
      async () =>
        answer(
          truth({ x509Authorities: [root.der, ...(await api.readOwnBundle()).x509Authorities], sequenceNumber: 42n }),
        ),
    ],
    ['status 503', 'StatusUnexpected', () => faults.status503],
    ['a web page', 'ContentIsHtml', () => faults.html],
    ['ten megabytes', 'BodyTooLarge', () => answer(Buffer.alloc(10_000_000))],
    ['a bomb of zeros', 'BodyTooLarge', () => faults.gzipBomb],
    ['a drip', 'DeadlineExceeded', () => faults.drip],
    ['silence', 'DeadlineExceeded', () => faults.neverAnswers],
    ['half a document', 'ConnectionLost', () => faults.resetWithin],
    ['a redirect to http', 'RedirectRefused', () => faults.redirectToHttp],
    ['redirects without end', 'TooManyRedirects', () => faults.redirectLoop],
  ];
  for (const [what, reason, handler] of rows) {
    it(`keeps bundle and entry as they are when the endpoint answers ${what}: ${reason}`, async () => {
      const before = [await api.listFederatedBundles(), await entry()];
      handle = await handler();
      await staysHeldWith(reason);
      assert.deepEqual([await api.listFederatedBundles(), await entry()], before);
      handle = answer(truth());
      await broker.waitForPeer(EAST);
      assert.deepEqual([await api.listFederatedBundles(), await entry()], before);
    });
  }

  for (const [what, reason, make] of [
    ['another SPIFFE ID', 'EndpointIdWrong', () => makeSvid(root, 'spiffe://east.test/other')],
    ['a root that is not held', 'EndpointRootUnknown', async () => makeSvid(await makeRoot('east.test'), ID)],
    [
      'an expired certificate',
      'EndpointCertificateExpired',
      () => makeSvid(root, ID, { notAfter: new Date('2021-01-01') }),
    ],
  ] as const) {
    it(`does not listen to an endpoint with ${what}`, async () => {
      const before = await api.listFederatedBundles();
      endpoint.setIdentity(await make());
      handle = answer(truth({ sequenceNumber: 99n, x509Authorities: [root.der, (await makeRoot('east.test')).der] }));
      await staysHeldWith(reason);
      assert.deepEqual(await api.listFederatedBundles(), before);
      handle = answer(truth());
      endpoint.setIdentity(svid);
      await broker.waitForPeer(EAST);
    });
  }

  it('goes on issuing SVIDs, and takes a true new root after all that', async () => {
    const next = await makeRoot('east.test');
    handle = answer(truth({ sequenceNumber: 42n, x509Authorities: [root.der, next.der] }));
    const context = await agent.waitForX509(({ federatedRoots }) => federatedRoots.get(EAST)?.length === 2);
    assert.equal(context.svid.spiffeId, 'spiffe://west.test/workload');
  });
});
