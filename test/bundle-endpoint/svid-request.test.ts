// Does SPIRE get a request it can sign? Read with a library of its own.
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { describe, it } from 'node:test';
import * as x509 from '@peculiar/x509';
import { parseSpiffeId } from '../../src/bundle/spiffe-id.ts';
import { requestSvid } from '../../src/bundle-endpoint/svid-request.ts';

/** Lengths of one, two and three octets: the longest SPIFFE ID has 2,048 bytes. */
const IDS = [
  'spiffe://east.example/federation-broker',
  `spiffe://east.example/${'a'.repeat(150)}`,
  `spiffe://east.example/${'a'.repeat(2_048 - 'spiffe://east.example/'.length)}`,
].map(parseSpiffeId);

describe('request for an SVID', () => {
  for (const id of IDS) {
    it(`asks for an ID of ${id.length} bytes, has no subject, and is signed by its own key`, async () => {
      const { csr } = await requestSvid(id);
      const request = new x509.Pkcs10CertificateRequest(csr);
      assert.equal(request.subject, '');
      assert.equal(await request.verify(), true);
      assert.deepEqual(
        [...request.extensions].map(({ type }) => type),
        ['2.5.29.17'],
      );
      const names = new x509.SubjectAlternativeNameExtension(request.extensions[0]!.rawData).names;
      assert.deepEqual(names.toJSON(), [{ type: 'url', value: id }]);
    });
  }

  it('comes with the key that belongs to it, another one each time', async () => {
    const [first, second] = await Promise.all([requestSvid(IDS[0]!), requestSvid(IDS[0]!)]);
    const spki = createPublicKey(createPrivateKey(first.keyPem)).export({ format: 'der', type: 'spki' });
    assert.deepEqual(spki, Buffer.from(new x509.Pkcs10CertificateRequest(first.csr).publicKey.rawData));
    assert.notEqual(first.keyPem, second.keyPem);
  });
});
