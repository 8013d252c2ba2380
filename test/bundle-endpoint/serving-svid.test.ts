// Does our endpoint present an SVID that also slow consumers can verify? (SPIFFE Federation §4.1)
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Bundle } from '../../src/bundle/bundle.ts';
import { fingerprint } from '../../src/bundle/bundle.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { readCertificate } from '../../src/bundle/certificate.ts';
import { chooseServingSvid, type ServingChoiceInput } from '../../src/bundle-endpoint/serving-svid-choice.ts';
import { ServingSvid } from '../../src/bundle-endpoint/serving-svid.ts';
import { makeCertificate, makeRoot, type Issued } from '../fakes/fake-ca.ts';
import { FakeClock } from '../fakes/fake-clock.ts';
import { X509Certificate, Pkcs10CertificateRequest } from '@peculiar/x509';

const SAFETY_NET_MS = 20_000;

const at = (seconds: number) => new Date(1_000_000 + seconds * 1000);

describe('chooseServingSvid', () => {
  const old = { notAfter: at(1000), rootServedSince: at(-9999) };
  const fresh = { notAfter: at(2000), rootServedSince: at(0) };
  const rows: readonly (readonly [string, Partial<ServingChoiceInput>, string])[] = [
    ['takes the first SVID at once', { current: undefined }, 'Minted FirstSvid'],
    ['keeps the old one while the new root is served for less than two hints', { now: at(599) }, 'Current RootTooNew'],
    ['takes the new one when its root was served for two hints', { now: at(600) }, 'Minted RootServedLongEnough'],
    [
      'gives SPIRE’s own poller the time for two polls, whatever short hint is published',
      { now: at(29), refreshHintSeconds: 1 },
      'Current RootTooNew',
    ],
    [
      'waits no longer than half a minute when the hint is short',
      { now: at(30), refreshHintSeconds: 1 },
      'Minted RootServedLongEnough',
    ],
    [
      'keeps the old one while a peer has told that it does not hold the new root',
      { now: at(900), minted: { ...fresh, isRootMissed: true } },
      'Current RootMissed',
    ],
    [
      'takes the new one shortly before the old one ends, whoever lacks its root',
      { now: at(996), minted: { ...fresh, isRootMissed: true } },
      'Minted CurrentExpires',
    ],
    [
      'takes the new one at once when the old root is gone, whoever lacks its root',
      { current: { ...old, rootServedSince: undefined }, minted: { ...fresh, isRootMissed: true } },
      'Minted CurrentRootGone',
    ],
    [
      'takes the new one shortly before the old one ends',
      { current: { ...old, notAfter: at(14) } },
      'Minted CurrentExpires',
    ],
    ['takes the new one when the old one has ended', { current: { ...old, notAfter: at(9) } }, 'Minted CurrentExpires'],
    [
      'takes the new one at once when the old root is gone',
      { current: { ...old, rootServedSince: undefined } },
      'Minted CurrentRootGone',
    ],
    [
      'never takes one that does not verify against the served bundle',
      { minted: { ...fresh, rootServedSince: undefined } },
      'Current NothingNewer',
    ],
    [
      'takes a renewed one of the same root at once',
      { current: { ...old, rootServedSince: at(0) } },
      'Minted RootServedLongEnough',
    ],
    [
      'keeps the old one when both roots were in our first bundle and a peer lacks the new one',
      {
        current: { ...old, rootServedSince: at(-9999) },
        minted: { ...fresh, rootServedSince: at(-9999), isRootMissed: true },
      },
      'Current RootMissed',
    ],
    [
      'has nothing when neither verifies',
      { current: { ...old, rootServedSince: undefined }, minted: undefined },
      'None NoUsableSvid',
    ],
  ];
  for (const [sentence, changes, expected] of rows) {
    it(sentence, () => {
      const choice = chooseServingSvid({
        now: at(10),
        current: old,
        minted: fresh,
        refreshHintSeconds: 300,
        ...changes,
      });
      assert.equal(`${choice.use} ${choice.reason}`, expected);
    });
  }
});

describe('the serving SVID', () => {
  const trustDomain = parseTrustDomain('west.example');
  let clock: FakeClock;
  let signer: Issued;
  let first: Issued;
  let second: Issued;
  let presented: string[];
  let failures: unknown[];
  let mintFails: boolean;
  let ttlSeconds: number;
  let missed: Set<string>;
  let serving: ServingSvid;
  let stop: AbortController;

  const bundle = (...roots: readonly Issued[]): Bundle => ({
    trustDomain,
    x509Authorities: roots.map(({ der }) => der),
    jwtAuthorities: [],
    sequenceNumber: 1n,
    refreshHintSeconds: undefined,
  });

  /** Signs as SPIRE does: with whichever root is active now. */
  async function mintX509Svid(csr: Uint8Array) {
    if (mintFails) throw new Error('SPIRE is down');
    const request = new Pkcs10CertificateRequest(Uint8Array.from(csr));
    const notAfter = new Date(clock.now().getTime() + ttlSeconds * 1000);
    const publicKey = (await request.publicKey.export()) as unknown as Issued['keys']['publicKey'];
    const { der } = await makeCertificate(
      { uris: ['spiffe://west.example/federation-broker'], notAfter, keys: { ...signer.keys, publicKey } },
      signer,
    );
    return { chain: [der], expiresAt: notAfter };
  }

  beforeEach(async () => {
    clock = new FakeClock();
    [first, second] = await Promise.all([makeRoot('west.example'), makeRoot('west.example')]);
    [signer, presented, failures, mintFails, ttlSeconds] = [first, [], [], false, 3600];
    missed = new Set();
    stop = new AbortController();
    serving = new ServingSvid({
      spire: { mintX509Svid },
      trustDomain,
      clock,
      ttlSeconds: 3600,
      refreshHintSeconds: 300,
      isRootMissed: (root) => missed.has(root),
      use: ({ chainPem }) => presented.push(new X509Certificate(chainPem).issuer),
      onFailure: (error) => failures.push(error),
    });
  });

  /** Lets the loop do what it has to do now. */
  async function settle(): Promise<void> {
    const endsAt = performance.now() + SAFETY_NET_MS;
    while (clock.pending === 0) {
      assert.ok(performance.now() < endsAt, 'never: it waits for its clock');
      await setImmediate();
    }
  }

  const subjectOf = ({ der }: Issued) => new X509Certificate(Uint8Array.from(der)).subject;

  function start(): Promise<void> {
    const running = serving.run(stop.signal);
    serving.ownBundle(bundle(first));
    return running;
  }

  async function ends(running: Promise<void>): Promise<void> {
    stop.abort();
    await running;
  }

  it('is minted as soon as our bundle is known, and says by which root it is signed', async () => {
    const running = start();
    await settle();
    assert.deepEqual(presented, [subjectOf(first)]);
    assert.equal(serving.status()?.signedBy, fingerprint(first.der));
    assert.equal(serving.status()?.pendingRoot, undefined);
    await ends(running);
  });

  it('is renewed at half of its life', async () => {
    const running = start();
    await settle();
    clock.advance(1_799_000);
    await settle();
    assert.equal(presented.length, 1);
    clock.advance(2_000);
    await settle();
    assert.equal(presented.length, 2);
    await ends(running);
  });

  it('stays signed by the old root after prepare and activate in one instant, until the new root was served for two hints', async () => {
    const running = start();
    await settle();
    signer = second;
    serving.ownBundle(bundle(first, second));
    await settle();
    assert.deepEqual(presented, [subjectOf(first)]);
    assert.deepEqual(
      [serving.status()?.reason, serving.status()?.pendingRoot],
      ['RootTooNew', fingerprint(second.der)],
    );
    clock.advance(599_000);
    await settle();
    assert.deepEqual(presented, [subjectOf(first)]);
    clock.advance(2_000);
    await settle();
    assert.deepEqual(presented, [subjectOf(first), subjectOf(second)]);
    await ends(running);
  });

  it('stays signed by the old root while a peer lacks the new one, and changes as soon as it has it', async () => {
    const running = start();
    await settle();
    signer = second;
    missed.add(fingerprint(second.der));
    serving.ownBundle(bundle(first, second));
    await settle();
    clock.advance(900_000);
    await settle();
    assert.deepEqual(presented, [subjectOf(first)]);
    assert.equal(serving.status()?.reason, 'RootMissed');
    missed.clear();
    clock.advance(1_000);
    await settle();
    assert.deepEqual(presented, [subjectOf(first), subjectOf(second)]);
    await ends(running);
  });

  it('changes at once when the root that signed it is taken out of our bundle', async () => {
    const running = start();
    await settle();
    signer = second;
    serving.ownBundle(bundle(first, second));
    await settle();
    serving.ownBundle(bundle(second));
    await settle();
    assert.deepEqual(presented, [subjectOf(first), subjectOf(second)]);
    assert.equal(serving.status()?.reason, 'CurrentRootGone');
    await ends(running);
  });

  it('stays in use while SPIRE cannot mint, and the failure is told', async () => {
    const running = start();
    await settle();
    mintFails = true;
    serving.ownBundle(bundle(first, second));
    await settle();
    assert.equal(presented.length, 1);
    assert.equal(failures.length > 0, true);
    mintFails = false;
    clock.advance(1_000);
    await settle();
    assert.equal(presented.length, 2);
    await ends(running);
  });

  it('lives no longer than its certificate says', async () => {
    ttlSeconds = 60;
    const running = start();
    await settle();
    const status = serving.status();
    assert.equal(status?.notAfter.getTime(), clock.now().getTime() + 60_000);
    assert.ok(readCertificate(first.der).notAfter > status.notAfter);
    await ends(running);
  });
});
