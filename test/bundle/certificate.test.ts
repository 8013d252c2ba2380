// Is exactly one certificate read, and are an SVID's rules kept? (RFC 5280, X509-SVID §5)
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { KeyUsageFlags } from '@peculiar/x509';
import { readExtensionsOf } from '../../src/bundle/certificate-extensions.ts';
import { isIssuedBy, readCertificate, toPem } from '../../src/bundle/certificate.ts';
import { readDerValues } from '../../src/bundle/der.ts';
import { checkX509SvidLeaf } from '../../src/bundle/x509-svid.ts';
import { makeCertificate, makeRoot, makeSvid, type CertificateOptions, type Issued } from '../fakes/fake-ca.ts';

const hexOf = (text: string) => Buffer.from(text).toString('hex');

describe('readCertificate', () => {
  let root: Issued;
  before(async () => {
    root = await makeRoot('west.example');
  });

  it('says what names, dates and key a certificate has', () => {
    const certificate = readCertificate(root.der);
    assert.match(certificate.subject, /CN=root of west\.example/);
    assert.equal(certificate.notAfter.toISOString(), '2090-01-01T00:00:00.000Z');
    assert.match(certificate.fingerprint, /^[0-9a-f]{64}$/);
    assert.equal(certificate.publicKey.type, 'ec');
    const extensions = readCertificate(root.der);
    assert.deepEqual(extensions.uriSans, ['spiffe://west.example']);
    assert.equal(extensions.isCa, true);
    assert.equal(extensions.keyUsage?.keyCertSign, true);
    assert.equal(certificate.signatureHash, 'SHA-256');
  });

  const other = async (change: (der: Buffer) => Buffer | Promise<Buffer>) => change(Buffer.from(root.der));
  for (const [what, change] of [
    ['two certificates one after the other', (der: Buffer) => Buffer.concat([der, der])],
    ['a byte behind the certificate', (der: Buffer) => Buffer.concat([der, Buffer.from([0])])],
    ['a certificate cut short', (der: Buffer) => der.subarray(0, -1)],
    ['PEM instead of DER', (der: Buffer) => Buffer.from(toPem(der))],
    ['no bytes at all', () => Buffer.alloc(0)],
    ['other bytes', () => Buffer.from('hello')],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const der = await other(change);
      assert.throws(() => readCertificate(der), { code: 'CertificateMalformed' });
      assert.throws(() => readCertificate(der), { code: 'CertificateMalformed' });
    });
  }

  it('reads a certificate without a subject', async () => {
    assert.equal(readCertificate((await makeRoot('west.example', { subject: '' })).der).subject, '');
  });

  it('reads names of all kinds, and who signed a leaf', async () => {
    const leaf = await makeSvid(root, 'spiffe://west.example/api', { dnsNames: ['api.west.example', 'api'] });
    const { isCa, uriSans, dnsSans } = readCertificate(leaf.der);
    assert.deepEqual([isCa, uriSans, dnsSans], [false, ['spiffe://west.example/api'], ['api.west.example', 'api']]);
    const hex = '551d23040830068004';
    const authorityKeyId = readDerValues(Buffer.from(`a3133011300f0603${hex}cafe0102`, 'hex'));
    assert.equal(readExtensionsOf(authorityKeyId).authorityKeyId, 'cafe0102');
  });

  it('refuses one extension twice, also when both say the same (RFC 5280 §4.2)', () => {
    const keyId = '300b0603551d0e04040402cafe';
    const body = (extensions: string, length: string) =>
      readDerValues(Buffer.from(`a3${length}30${extensions}`, 'hex'));
    assert.equal(readExtensionsOf(body(`0d${keyId}`, '0f')).subjectKeyId, 'cafe');
    assert.throws(() => readExtensionsOf(body(`1a${keyId}${keyId}`, '1c')), /2\.5\.29\.14 is there twice/);
  });

  it('reads a certificate once, for as long as its bytes are there', () => {
    assert.equal(readCertificate(root.der), readCertificate(root.der));
  });

  // In hex, what stands in the root and what is put in its place. OpenSSL minds none of these.
  for (const [what, from, to] of [
    ['a time that is none', hexOf('20900101000000Z'), hexOf('20901301000000Z')],
    ['a key usage that is no bit string', '551d0f0101ff04040302', '551d0f0101ff04040502'],
    ['a cA that is neither true nor false', '551d130101ff040530030101ff', '551d130101ff04053003010101'],
    ['basic constraints of another kind', '551d130101ff040530030101ff', '551d130101ff040530030401ff'],
    ['a SPIFFE ID beyond ASCII', hexOf('spiffe://west'), hexOf('spiffe://wüt')],
  ] as const) {
    it(`refuses ${what}`, () => {
      const hex = Buffer.from(root.der).toString('hex');
      assert.ok(hex.includes(from), 'the root is built in another way');
      const der = Buffer.from(hex.replace(from, to), 'hex');
      assert.equal(der.length, root.der.length);
      assert.throws(() => readCertificate(der), { code: 'CertificateMalformed' });
    });
  }

  it('refuses to read the extensions of what is no certificate', () => {
    assert.throws(() => readCertificate(Buffer.from('hello')), { code: 'CertificateMalformed' });
  });

  it('knows who issued a certificate by name and by signature', async () => {
    const leaf = await makeSvid(root, 'spiffe://west.example/api');
    assert.equal(isIssuedBy(leaf.der, root.der), true);
    assert.equal(isIssuedBy(leaf.der, (await makeRoot('west.example')).der), false);
    const { subject } = readCertificate(root.der);
    const namesake = await makeCertificate({ isCa: true, subject });
    assert.equal(isIssuedBy(leaf.der, namesake.der), false);
  });

  it('writes PEM that ends its line, so that texts can be joined', () => {
    assert.match(toPem(root.der), /-----END CERTIFICATE-----\n$/);
    assert.deepEqual(readCertificate(root.der).fingerprint, readCertificate(Buffer.from(root.der)).fingerprint);
  });
});

describe('checkX509SvidLeaf', () => {
  let root: Issued;
  before(async () => {
    root = await makeRoot('west.example');
  });
  const ID = 'spiffe://west.example/api';

  it('gives the SPIFFE ID of a leaf that keeps all rules', async () => {
    assert.equal(checkX509SvidLeaf((await makeSvid(root, ID)).der), ID);
    assert.equal(checkX509SvidLeaf((await makeSvid(root, ID, { dnsNames: ['api.west.example'] })).der), ID);
  });

  const faults: readonly (readonly [string, CertificateOptions, RegExp])[] = [
    ['a CA certificate', { isCa: true, keyUsage: KeyUsageFlags.digitalSignature }, /CA certificate/],
    [
      'a key that may sign certificates',
      { keyUsage: KeyUsageFlags.digitalSignature | KeyUsageFlags.keyCertSign },
      /sign certificates or CRLs/,
    ],
    [
      'a key that may sign CRLs',
      { keyUsage: KeyUsageFlags.digitalSignature | KeyUsageFlags.cRLSign },
      /sign certificates or CRLs/,
    ],
    ['a key that may not sign', { keyUsage: KeyUsageFlags.keyEncipherment }, /digital signatures/],
    ['no key usage', { keyUsage: 'None' }, /digital signatures/],
    ['no URI', { uris: [], dnsNames: ['api.west.example'] }, /no URI/],
    ['two URIs', { uris: [ID, 'spiffe://east.example/api'] }, /2 URIs/],
    ['a URI of another scheme', { uris: ['https://west.example/api'] }, /not a SPIFFE ID/],
    ['the ID of a trust domain', { uris: ['spiffe://west.example'] }, /names a trust domain/],
  ];
  for (const [what, options, message] of faults) {
    it(`refuses ${what}`, async () => {
      const { der } = await makeSvid(root, ID, options);
      assert.throws(() => checkX509SvidLeaf(der), { code: 'SvidInvalid', message });
    });
  }
});
