// What can be known of a peer that only lays its bundle in a bucket? That it federates, and not what it holds of ours.
import assert from 'node:assert/strict';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { makeCertificate } from '../fakes/fake-ca.ts';
import { reasonOf, startBroker, type Broker } from './harness/broker.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { localAuthority } from './harness/local-authority.ts';
import { startSpireServer, type SpireServer } from './harness/spire-server.ts';
import { openApi, ownRoots, storedRoots } from './harness/stored-roots.ts';

describe('a peer whose bundle lies in a bucket', () => {
  const cleanup = new Cleanup();
  let east: SpireServer;
  let west: SpireServer;
  let broker: Broker;

  before(async () => {
    [east, west] = await Promise.all([startSpireServer(cleanup, 'east.test'), startSpireServer(cleanup, 'west.test')]);
    const ca = await makeCertificate({ isCa: true, subject: 'CN=private web CA' });
    const { keyPem: key, pem: cert } = await makeCertificate({ ipAddresses: ['127.0.0.1'] }, ca);
    const document = await east.bundleDocument();
    const bucket = createServer({ key, cert }, (_request, response) => response.end(document));
    await new Promise<void>((resolve) => {
      bucket.listen(0, '127.0.0.1', resolve);
    });
    cleanup.add(() => {
      bucket.close();
    });
    broker = await startBroker(cleanup, west);
    broker.declare('east', {
      trustDomain: 'east.test',
      bundleEndpointURL: `https://127.0.0.1:${(bucket.address() as AddressInfo).port}/east.json`,
      bundleEndpointProfile: { type: 'https_web' },
      webPKI: { caBundle: ca.pem },
    });
    await broker.waitForPeer('east.test');
  });
  after(() => cleanup.run());

  it('federates like any other', async () => {
    assert.deepEqual(await storedRoots(openApi(cleanup, west), 'east.test'), await ownRoots(openApi(cleanup, east)));
  });

  it('is not observed: what it holds of ours cannot be known, and no alarm is made of it', async () => {
    const peer = await broker.waitForPeer(
      'east.test',
      (each) => reasonOf(each, 'HoldsOurAuthorities') === 'NotObserved',
    );
    const condition = peer.conditions.find(({ type }) => type === 'HoldsOurAuthorities');
    assert.equal(condition?.status, 'Unknown');
  });

  it('is given the time that follows from our refresh hint before a prepared authority is safe', async () => {
    await localAuthority(west, 'x509').prepare();
    await eventually('its status says so', async () => {
      const { stdout } = await broker.cli(['rotation', 'status']);
      return /prepared .*, held by 0 of 1 peers\n {2}east\.test is not observed: it will have had the time/.test(
        stdout,
      );
    });
  });
});
