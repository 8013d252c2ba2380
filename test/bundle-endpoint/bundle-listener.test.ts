// Is the endpoint reached by TLS as Mozilla's intermediate set has it, and does a new certificate drop nobody?
import assert from 'node:assert/strict';
import { Agent, request } from 'node:https';
import { once } from 'node:events';
import { connect, type ConnectionOptions, type EphemeralKeyInfo } from 'node:tls';
import { after, before, describe, it } from 'node:test';
import { BundleListener } from '../../src/bundle-endpoint/bundle-listener.ts';
import { makeRoot, makeSvid, type Issued } from '../fakes/fake-ca.ts';

const ID = 'spiffe://west.example/federation-broker';

const [major = 0, minor = 0] = process.versions.openssl.split('.').map(Number);
/** OpenSSL from 3.5 on. */
const hasMlKem = major > 3 || (major === 3 && minor >= 5);

describe('the listener of our bundle endpoint', () => {
  let root: Issued;
  let svid: Issued;
  let listener: BundleListener;
  let port: number;

  before(async () => {
    root = await makeRoot('west.example');
    svid = await makeSvid(root, ID);
    listener = new BundleListener((_request, response) => response.end('ok'));
    listener.setIdentity({ keyPem: svid.keyPem, chainPem: svid.pem });
    ({ port } = await listener.listen({ host: '127.0.0.1', port: 0 }));
  });
  after(() => listener.close(500));

  const trust = () => ({ ca: [root.pem], checkServerIdentity: () => undefined });

  function ask(agent: Agent | false): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      const call = request({ host: '127.0.0.1', port, agent, ...trust() }, (response) => {
        response.resume();
        response.on('end', () => {
          resolve(response.statusMessage);
        });
      });
      call.on('error', reject);
      call.end();
    });
  }

  async function handshake(options: ConnectionOptions) {
    const socket = connect({ host: '127.0.0.1', port, ...trust(), ...options });
    try {
      await once(socket, 'secureConnect');
      return {
        protocol: socket.getProtocol(),
        cipher: socket.getCipher().name,
        group: (socket.getEphemeralKeyInfo() as EphemeralKeyInfo | null)?.name,
        serial: socket.getPeerCertificate().serialNumber,
      };
    } finally {
      socket.destroy();
    }
  }

  it('speaks TLS 1.3, and TLS 1.2 only with forward secrecy and authenticated encryption', async () => {
    assert.equal((await handshake({})).protocol, 'TLSv1.3');
    const old = await handshake({ maxVersion: 'TLSv1.2' });
    assert.match(old.cipher, /^ECDHE-ECDSA-(AES|CHACHA)/);
    await assert.rejects(handshake({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA' }));
    await assert.rejects(handshake({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1' }));
  });

  it('agrees on a key by X25519, by P-256 or P-384 with who has only those, and by no other curve', async () => {
    assert.equal((await handshake({})).group, 'X25519');
    assert.equal((await handshake({ ecdhCurve: 'secp384r1:X25519' })).group, 'secp384r1');
    assert.equal((await handshake({ ecdhCurve: 'prime256v1', maxVersion: 'TLSv1.2' })).group, 'prime256v1');
    await assert.rejects(handshake({ ecdhCurve: 'secp521r1' }));
  });

  it('serves a client that insists on a post-quantum key exchange, where this Node has it', async () => {
    const onlyPostQuantum = handshake({ ecdhCurve: 'X25519MLKEM768' });
    if (hasMlKem) assert.equal((await onlyPostQuantum).protocol, 'TLSv1.3');
    else await assert.rejects(onlyPostQuantum, { code: 'ERR_CRYPTO_OPERATION_FAILED' });
  });

  it('encrypts with AES-128, and with ChaCha20 for a client that prefers it', async () => {
    assert.equal((await handshake({})).cipher, 'TLS_AES_128_GCM_SHA256');
    const slowAes = 'TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256';
    assert.equal((await handshake({ ciphers: slowAes })).cipher, 'TLS_CHACHA20_POLY1305_SHA256');
  });

  it('demands no client certificate', async () => {
    assert.equal(await ask(false), 'OK');
  });

  it('drops no request while its identity is exchanged 200 times under load', async () => {
    const identities = await Promise.all(Array.from({ length: 5 }, () => makeSvid(root, ID)));
    const agent = new Agent({ keepAlive: true, maxSockets: 4 });
    let answered = 0;
    let running = true;
    const load = Array.from({ length: 4 }, async (_, index) => {
      while (running) {
        await ask(index % 2 === 0 ? agent : false);
        answered += 1;
      }
    });
    for (let rotation = 0; rotation < 200; rotation++) {
      const { keyPem, pem } = identities[rotation % identities.length]!;
      listener.setIdentity({ keyPem, chainPem: pem });
      const before = answered;
      while (answered === before) await new Promise(setImmediate);
    }
    running = false;
    await Promise.all(load);
    agent.destroy();
    assert.ok(answered >= 200);
  });

  it('presents the new certificate to new connections', async () => {
    const next = await makeSvid(root, ID);
    const before = await handshake({});
    listener.setIdentity({ keyPem: next.keyPem, chainPem: next.pem });
    assert.notEqual((await handshake({})).serial, before.serial);
  });

  it('keeps the identity it has when key and certificate do not belong together', async () => {
    const before = await handshake({});
    const other = await makeSvid(root, ID);
    assert.throws(() => {
      listener.setIdentity({ keyPem: other.keyPem, chainPem: svid.pem });
    });
    assert.equal((await handshake({})).serial, before.serial);
  });

  it('rejects when its port is taken', async () => {
    const second = new BundleListener(() => undefined);
    await assert.rejects(second.listen({ host: '127.0.0.1', port }), { code: 'EADDRINUSE' });
    await second.close(10);
  });

  it('closes in time also while a client holds its connection', async () => {
    const other = new BundleListener(() => undefined);
    other.setIdentity({ keyPem: svid.keyPem, chainPem: svid.pem });
    const address = await other.listen({ host: '127.0.0.1', port: 0 });
    const socket = connect({ ...address, ...trust() });
    await once(socket, 'secureConnect');
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    const closed = once(socket, 'close');
    socket.on('error', () => undefined);
    await other.close(200);
    await closed;
  });
});
