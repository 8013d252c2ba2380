// E5: do bundles travel by https_web with a private authority, also when its certificate is exchanged?
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { makeCertificate, type Issued } from '../fakes/fake-ca.ts';
import { reasonOf, startBroker, type Broker } from './harness/broker.ts';
import { Cleanup } from './harness/cleanup.ts';
import { freePort } from './harness/free-ports.ts';
import { oracleFetch } from './harness/oracle.ts';
import { startSpireServer, type SpireServer } from './harness/spire-server.ts';
import { openApi, ownRoots, storedRoots } from './harness/stored-roots.ts';

describe('E5: https_web with a private authority', () => {
  const cleanup = new Cleanup();
  let east: SpireServer;
  let west: SpireServer;
  let broker: Broker;
  let ca: Issued;
  let url: string;
  let files: { readonly cert: string; readonly key: string };

  async function writeIdentity(): Promise<void> {
    const leaf = await makeCertificate({ ipAddresses: ['127.0.0.1'] }, ca);
    writeFileSync(files.cert, leaf.pem);
    writeFileSync(files.key, leaf.keyPem);
  }

  before(async () => {
    [east, west, ca] = await Promise.all([
      startSpireServer(cleanup, 'east.test'),
      startSpireServer(cleanup, 'west.test'),
      makeCertificate({ isCa: true, subject: 'CN=private web CA' }),
    ]);
    files = { cert: join(east.folder, 'web.pem'), key: join(east.folder, 'web.key') };
    await writeIdentity();
    const port = await freePort();
    url = `https://127.0.0.1:${port}/bundle.json`;
    await startBroker(cleanup, east, {
      'serve-spiffe-address': 'off',
      'serve-web-address': `127.0.0.1:${port}`,
      'serve-web-cert-file': files.cert,
      'serve-web-key-file': files.key,
      'serve-path': '/bundle.json',
    });
    broker = await startBroker(cleanup, west);
  });
  after(() => cleanup.run());

  const declare = (more: Readonly<Record<string, unknown>>) => {
    broker.declare('east', {
      trustDomain: 'east.test',
      bundleEndpointURL: url,
      bundleEndpointProfile: { type: 'https_web' },
      ...more,
    });
  };

  it('is refused without the authority, and says what to declare', async () => {
    declare({});
    const peer = await broker.waitForPeer(
      'east.test',
      (each) => reasonOf(each, 'EndpointTrusted') === 'WebCertificateUntrusted',
    );
    assert.ok(peer.conditions.some(({ message }) => message.includes('webPKI.caBundle')));
  });

  it('brings the bundle with the authority declared, and needs no bundle for the first contact', async () => {
    declare({ webPKI: { caBundle: ca.pem } });
    await broker.waitForPeer('east.test');
    const [own, stored] = [
      await ownRoots(openApi(cleanup, east)),
      await storedRoots(openApi(cleanup, west), 'east.test'),
    ];
    assert.deepEqual(stored, own);
  });

  it('goes on through a rotation after the certificate files were exchanged', async () => {
    await writeIdentity();
    await openApi(cleanup, east).localAuthorities.x509.prepare();
    await broker.waitForPeer('east.test', (peer) => peer.bundle?.roots.length === 2);
  });

  it('is read by go-spiffe', async () => {
    const caFile = join(west.folder, 'ca.pem');
    writeFileSync(caFile, ca.pem);
    const read = await oracleFetch('east.test', url, { profile: 'https_web', caFile });
    assert.deepEqual([read.ok, read.roots.toSorted()], [true, await ownRoots(openApi(cleanup, east))]);
  });
});
