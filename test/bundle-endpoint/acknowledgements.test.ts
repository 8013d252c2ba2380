// Is a peer known by its SVID over real TLS, and does everybody else get the bundle all the same?
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request, type RequestOptions } from 'node:https';
import { afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { Bundle } from '../../src/bundle/bundle.ts';
import { parseSpiffeId } from '../../src/bundle/spiffe-id.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { Acknowledgements } from '../../src/bundle-endpoint/acknowledgements.ts';
import { BundleListener } from '../../src/bundle-endpoint/bundle-listener.ts';
import { BundlePublication } from '../../src/bundle-endpoint/serve-bundle.ts';
import { ServedBundles } from '../../src/bundle-endpoint/served-bundles.ts';
import type { Acknowledgement } from '../../src/federation/acknowledgement.ts';
import type { PeerBroker } from '../../src/federation/peer-broker.ts';
import { makeCertificate, makeRoot, makeSvid, type Issued } from '../fakes/fake-ca.ts';
import { FakeClock } from '../fakes/fake-clock.ts';

const EAST = 'spiffe://east.example/federation-broker';
const WEST = 'spiffe://west.example/federation-broker';

function bundleOf(trustDomain: string, ...roots: readonly Issued[]): Bundle {
  return {
    trustDomain: parseTrustDomain(trustDomain),
    x509Authorities: roots.map(({ der }) => der),
    ...{ jwtAuthorities: [], sequenceNumber: BigInt(roots.length), refreshHintSeconds: 300 },
  };
}

describe('the endpoint that is told who holds its bundle', () => {
  let [own, west, stranger]: Issued[] = [];
  let endpointSvid: Issued;
  let clock: FakeClock;
  let brokers: Map<string, PeerBroker>;
  let seen: Acknowledgement[];
  let refusals: string[];
  let faults: unknown[];
  let named: ServedBundles['named'];
  let served: ServedBundles;
  let publication: BundlePublication;
  let listener: BundleListener;
  let stop: AbortController;
  let port: number;

  before(async () => {
    [own, west, stranger] = await Promise.all(
      ['east.example', 'west.example', 'mallory.example'].map((name) => makeRoot(name)),
    );
    endpointSvid = await makeSvid(own!, EAST);
  });

  beforeEach(async () => {
    clock = new FakeClock(new Date('2026-11-21T12:00:00Z'));
    [seen, refusals, faults, served, stop] = [[], [], [], new ServedBundles(), new AbortController()];
    named = (tag) => served.named(tag);
    brokers = new Map([
      ['west.example', { spiffeIds: [parseSpiffeId(WEST)], bundles: [bundleOf('west.example', west!)] }],
    ]);
    const acknowledgements = new Acknowledgements({
      clock,
      named: (tag) => named(tag),
      onRefused: (reason) => refusals.push(reason),
      onFault: (error) => faults.push(error),
    });
    acknowledgements.tell({
      find: (trustDomain) => Promise.resolve(brokers.get(trustDomain)),
      noteAcknowledged: (acknowledgement) => seen.push(acknowledgement),
    });
    void acknowledgements.run(stop.signal);
    publication = new BundlePublication({
      ...{ path: '/', maxAgeSeconds: 5, maxWaiters: 100, clock },
      onRequest: acknowledgements.note,
    });
    publish('one', own!);
    listener = new BundleListener(publication.handle);
    listener.setIdentity({ keyPem: endpointSvid.keyPem, chainPem: endpointSvid.pem });
    ({ port } = await listener.listen({ host: '127.0.0.1', port: 0 }));
  });
  afterEach(async () => {
    stop.abort();
    publication.close();
    await listener.close(500);
    assert.deepEqual(faults, []);
  });

  function publish(text: string, ...roots: readonly Issued[]): void {
    publication.publish(Buffer.from(text));
    served.note(bundleOf('east.example', ...roots), publication.etag!, clock.now());
  }

  async function ask(client: readonly Issued[], headers: RequestOptions['headers'] = {}): Promise<number | undefined> {
    const [leaf] = client;
    const call = request({
      ...{ host: '127.0.0.1', port, agent: false, ca: [own!.pem], checkServerIdentity: () => undefined, headers },
      ...(leaf !== undefined && { key: leaf.keyPem, cert: client.map(({ pem }) => pem).join('') }),
    });
    call.end();
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    response.resume();
    await once(response, 'end');
    return response.statusCode;
  }

  async function until(probe: () => boolean): Promise<void> {
    for (let turn = 0; turn < 500 && !probe(); turn++) await pause(5);
    assert.ok(probe());
  }

  it('knows a peer by the SVID of its broker, and which version it has applied', async () => {
    const svid = await makeSvid(west!, WEST);
    const first = publication.etag!;
    assert.equal(await ask([svid]), 200);
    publish('two', own!, stranger!);
    assert.equal(await ask([svid], { 'if-none-match': first }), 200);
    assert.equal(await ask([svid], { 'if-none-match': publication.etag! }), 304);
    assert.deepEqual(
      seen.map(({ trustDomain, holds }) => [trustDomain, holds?.sequenceNumber]),
      [
        ['west.example', undefined],
        ['west.example', 1n],
        ['west.example', 2n],
      ],
    );
  });

  it('answers all the same when a fault of this program keeps it from judging, and tells the fault', async () => {
    const fault = new Error('broken');
    named = () => {
      throw fault;
    };
    assert.equal(await ask([await makeSvid(west!, WEST)]), 200);
    assert.deepEqual(faults.splice(0), [fault]);
    assert.deepEqual(seen, []);
  });

  it('says of a version that is not known here only that the peer asked', async () => {
    const svid = await makeSvid(west!, WEST);
    for (const tag of ['"unknown"', '*', `${publication.etag!}, "other"`]) await ask([svid], { 'if-none-match': tag });
    assert.deepEqual(
      seen.map(({ holds }) => holds),
      [undefined, undefined, undefined],
    );
  });

  it('serves everybody, and counts why a certificate proves nothing', async () => {
    const past = new Date('2026-11-21T11:00:00Z');
    const intermediate = await makeCertificate({ isCa: true }, west);
    const stolenName = await makeRoot('west.example');
    const rows: readonly (readonly [string, readonly Issued[], string?])[] = [
      ['none', []],
      ['by an intermediate', [await makeSvid(intermediate, WEST), intermediate]],
      ['expired', [await makeSvid(west!, WEST, { notAfter: past })], 'SvidExpired'],
      [
        'of a domain that is not declared',
        [await makeSvid(stranger!, 'spiffe://mallory.example/federation-broker')],
        'PeerNotDeclared',
      ],
      ['of a peer, signed by another domain', [await makeSvid(stranger!, WEST)], 'SvidUntrusted'],
      ['of a peer, signed by a root of the same name', [await makeSvid(stolenName, WEST), stolenName], 'SvidUntrusted'],
      ['of a workload of the peer', [await makeSvid(west!, 'spiffe://west.example/billing')], 'NotTheBroker'],
      ['without its intermediate', [await makeSvid(intermediate, WEST)], 'SvidUntrusted'],
      ['a root', [west!], 'SvidInvalid'],
      ['of a web server', [await makeCertificate({ dnsNames: ['west.example'] }, west)], 'SvidInvalid'],
    ];
    for (const [what, client, reason] of rows) {
      [seen, refusals] = [[], []];
      assert.equal(await ask(client), 200, what);
      await until(() => reason === undefined || refusals.length > 0);
      assert.deepEqual(refusals, reason === undefined ? [] : [reason], what);
      assert.equal(seen.length, what === 'by an intermediate' ? 1 : 0, what);
    }
  });

  it('cannot be shown a certificate without its key', async () => {
    const [svid, thief] = [await makeSvid(west!, WEST), await makeSvid(stranger!, WEST)];
    await assert.rejects(ask([{ ...svid, keyPem: thief.keyPem }]));
    assert.equal(seen.length, 0);
  });

  it('takes a held request for a sign of life until it ends or its peer loses our trust', async () => {
    const svid = await makeSvid(west!, WEST);
    const held = ask([svid], { 'if-none-match': publication.etag!, prefer: 'wait=60' });
    await until(() => seen.length === 1);
    clock.advance(10_000);
    await until(() => seen.length === 2);
    assert.equal(seen[1]!.at.getTime() - seen[0]!.at.getTime(), 10_000);
    brokers.set('west.example', { spiffeIds: [parseSpiffeId(WEST)], bundles: [] });
    clock.advance(10_000);
    await pause(20);
    assert.equal(seen.length, 2);
    publish('two', own!);
    assert.equal(await held, 200);
    brokers.set('west.example', { spiffeIds: [parseSpiffeId(WEST)], bundles: [bundleOf('west.example', west!)] });
    await pause(50);
    clock.advance(20_000);
    await pause(20);
    assert.equal(seen.length, 2);
  });

  it('knows a peer that is declared while its request is held, without waiting for its next one', async () => {
    const svid = await makeSvid(west!, WEST);
    const declared = brokers.get('west.example')!;
    brokers.clear();
    const held = ask([svid], { 'if-none-match': publication.etag!, prefer: 'wait=600' });
    await until(() => refusals.length === 1);
    clock.advance(10_000);
    await pause(20);
    assert.equal(seen.length, 0);
    brokers.set('west.example', declared);
    clock.advance(10_000);
    await until(() => seen.length === 1);
    assert.equal(seen[0]?.holds?.sequenceNumber, 1n);
    clock.advance(10_000);
    await until(() => seen.length === 2);
    assert.deepEqual(refusals, ['PeerNotDeclared']);
    publish('two', own!);
    assert.equal(await held, 200);
  });
});
