// Is an anchor the root held to one trust domain, always in the same bytes, and never more than the root was?
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { before, describe, it } from 'node:test';
import * as x509 from '@peculiar/x509';
import { readCertificate } from '../../src/bundle/certificate.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import type { AnchorErrorCode } from '../../src/istio/anchor-error.ts';
import { certificateParts } from '../../src/istio/certificate-parts.ts';
import { constrainedAnchor } from '../../src/istio/constrained-anchor.ts';
import { encodeDer, encodeObjectIdentifier } from '../../src/istio/write-der.ts';
import { makeRoot, makeSvid, type CertificateOptions, type Issued } from '../fakes/fake-ca.ts';

const PEER = parseTrustDomain('peer.test');

/** A root as SPIRE makes them, so that the bytes of its anchor can be known. */
const FIXED_ROOT = Buffer.from(
  'MIIBgDCCASegAwIBAgIUcrQGgC5onugvs0W3xLvhC/QBaK8wCgYIKoZIzj0EAwIwDzENMAsGA1UEAwwEcm9vdDAeFw0yNjExMjExMTEwMjFa' +
    'Fw0zNjExMTgxMTEwMjFaMA8xDTALBgNVBAMMBHJvb3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQ3PM3pVyiDSjASl953HlS5EwvQ0Tex' +
    '6Ivk9pPlF6ywmne/WUR5L2KBkkCnsIdaYSCZRligP2FI+ir1nLukaVkio2EwXzAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIBBjAd' +
    'BgNVHQ4EFgQUGylwpaahlb9C8+yu7LnosDyF8a0wHQYDVR0RBBYwFIYSc3BpZmZlOi8vcGVlci50ZXN0MAoGCCqGSM49BAMCA0cAMEQCIBSr' +
    'mrmZ0QQqUgXhDRJ9Rsrq9nZx+GJLiPgiwc1gCFYqAiAp+mzhb5HHuFFgoFw9XDJ2lXDyiwHldK/L4daHP5zp/Q==',
  'base64',
);

const digest = (der: Uint8Array) => createHash('sha256').update(der).digest('hex');
const hex = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('hex');
const extensionOf = (der: Uint8Array, id: string) => certificateParts(der).extensions.find((each) => each.id === id);
const EXTENDED_KEY_USAGE = '2.5.29.37';

/** SEQUENCE OF one purpose. */
const purposes = (id: string) => encodeDer(0x30, encodeObjectIdentifier(id));

describe('a constrained anchor', () => {
  let root: Issued;
  let anchor: Uint8Array;
  before(async () => {
    root = await makeRoot(PEER);
    anchor = constrainedAnchor(root.der, PEER);
  });

  it('has the same bytes in every version of the broker: others would be a change of roots in every mesh', () => {
    assert.equal(
      digest(constrainedAnchor(FIXED_ROOT, PEER)),
      '829de406da0538521d9f29d6d53852f223e76d7744d8dcca7efaadd97620acc6',
    );
  });

  it('has other bytes, serial number and issuer for another trust domain or another root', async () => {
    const others = [
      constrainedAnchor(root.der, parseTrustDomain('other.test')),
      constrainedAnchor((await makeRoot(PEER)).der, PEER),
    ].map((der) => new X509Certificate(der));
    const all = [new X509Certificate(anchor), ...others];
    assert.equal(new Set(all.map(({ serialNumber }) => serialNumber)).size, 3);
    assert.equal(new Set(all.map(({ issuer }) => issuer)).size, 3);
  });

  it('takes subject, key, key id and validity from the root byte for byte', () => {
    const [ofRoot, ofAnchor] = [certificateParts(root.der), certificateParts(anchor)];
    for (const part of ['subject', 'publicKey', 'validity'] as const) {
      assert.equal(hex(ofAnchor[part]), hex(ofRoot[part]), part);
    }
    assert.equal(hex(extensionOf(anchor, '2.5.29.14')?.value), hex(extensionOf(root.der, '2.5.29.14')?.value));
  });

  it('vouches as a CA for URIs of the trust domain, and for nothing else that is text', () => {
    const parsed = new x509.X509Certificate(Uint8Array.from(anchor));
    assert.deepEqual(
      Array.from(parsed.extensions, ({ type, critical }) => [type, critical]),
      [
        ['2.5.29.19', true],
        ['2.5.29.15', true],
        ['2.5.29.30', true],
        ['2.5.29.14', false],
      ],
    );
    const basicConstraints = parsed.getExtension(x509.BasicConstraintsExtension);
    assert.deepEqual([basicConstraints?.ca, basicConstraints?.pathLength], [true, undefined]);
    const usages = parsed.getExtension(x509.KeyUsagesExtension)?.usages;
    assert.equal(usages, x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign);
    // permitted URI:peer.test, excluded DNS:"" and email:"": the bytes that were measured on Envoy 1.40.0.
    const constraints = '3019a00d300b8609706565722e74657374a10830028200' + '30028100';
    assert.equal(hex(extensionOf(anchor, '2.5.29.30')?.value), constraints);
  });

  it('has a positive serial number of 16 bytes and an issuer that no CA has', () => {
    const parsed = new x509.X509Certificate(Uint8Array.from(anchor));
    assert.match(parsed.serialNumber, /^[4-7][0-9a-f]{31}$/);
    assert.match(parsed.issuer, /^O=federation-broker, CN=anchor [0-9a-f]{16}$/);
  });

  it('has a signature that its own root’s key did not make', () => {
    const parsed = new X509Certificate(anchor);
    assert.equal(parsed.verify(parsed.publicKey), false);
  });

  it('has no key id when the root has none', async () => {
    const { der } = await makeRoot(PEER, { hasSubjectKeyId: false });
    assert.equal(readCertificate(constrainedAnchor(der, PEER)).subjectKeyId, undefined);
  });

  it('keeps the extended key usage of the root', async () => {
    const value = purposes('1.3.6.1.5.5.7.3.2');
    const { der } = await makeRoot(PEER, { otherExtensions: [{ id: EXTENDED_KEY_USAGE, isCritical: true, value }] });
    assert.equal(hex(extensionOf(constrainedAnchor(der, PEER), EXTENDED_KEY_USAGE)?.value), hex(value));
  });

  it('leaves out what only tells who the root is', async () => {
    const value = Uint8Array.from([0x30, 0]);
    const { der } = await makeRoot(PEER, { otherExtensions: [{ id: '2.5.29.32', isCritical: false, value }] });
    const ids = certificateParts(constrainedAnchor(der, PEER)).extensions.map(({ id }) => id);
    assert.deepEqual(ids, ['2.5.29.19', '2.5.29.15', '2.5.29.30', '2.5.29.14']);
  });

  for (const algorithm of ['P-256', 'P-384', 'RSA-2048', 'Ed25519'] as const) {
    it(`stands for roots with keys of the kind ${algorithm}`, async () => {
      const { der } = await makeRoot(PEER, { algorithm });
      const { publicKey } = readCertificate(constrainedAnchor(der, PEER));
      assert.equal(publicKey.fingerprint, readCertificate(der).publicKey.fingerprint);
    });
  }
});

const REFUSED: readonly (readonly [root: string, options: CertificateOptions, code: AnchorErrorCode])[] = [
  ['is no CA', { isCa: false }, 'RootMayNotSign'],
  ['may not sign certificates', { keyUsage: x509.KeyUsageFlags.digitalSignature }, 'RootMayNotSign'],
  [
    'has a critical extension that an anchor cannot carry',
    { otherExtensions: [{ id: '2.5.29.36', isCritical: true, value: Uint8Array.from([0x30, 0]) }] },
    'RootExtensionUnknown',
  ],
  [
    'has an extended key usage that is none',
    { otherExtensions: [{ id: EXTENDED_KEY_USAGE, isCritical: false, value: Uint8Array.from([0x30, 0]) }] },
    'RootNotPortable',
  ],
  ['has no subject', { subject: '' }, 'RootNotPortable'],
];

describe('no anchor is made of a root that', () => {
  for (const [what, options, code] of REFUSED) {
    it(what, async () => {
      const { der } = await makeRoot(PEER, options);
      assert.throws(() => constrainedAnchor(der, PEER), { name: 'AnchorError', code });
    });
  }

  it('belongs to a trust domain that cannot be constrained', async () => {
    const underscore = parseTrustDomain('under_score.test');
    const { der } = await makeRoot(underscore);
    assert.throws(() => constrainedAnchor(der, underscore), { code: 'TrustDomainNotConstrainable' });
  });

  it('is not one certificate in DER', async () => {
    const { der } = await makeSvid(await makeRoot(PEER), 'spiffe://peer.test/api');
    assert.throws(() => constrainedAnchor(Buffer.concat([der, der]), PEER), { code: 'CertificateMalformed' });
  });

  it('has an extension whose criticality is neither true nor false', () => {
    const critical = Buffer.from('0603551d130101ff', 'hex');
    const at = FIXED_ROOT.indexOf(critical) + critical.length - 1;
    const broken = Buffer.from(FIXED_ROOT);
    broken[at] = 1;
    assert.throws(() => constrainedAnchor(broken, PEER), { code: 'CertificateMalformed' });
  });
});

/** Parts that Node reads and istiod or Envoy does not: replaced in the fixed root, same length. */
const NOT_PORTABLE: readonly (readonly [part: string, from: string, to: string])[] = [
  ['a text that is not of its kind', '0c04726f6f74', '1604726fe974'],
  ['a text of a kind that is not in use', '0c04726f6f74', '1c0400000072'],
  ['a printable text with an underscore', '0c04726f6f74', '1304726f5f74'],
];

describe('no anchor is made of a root with', () => {
  for (const [part, from, to] of NOT_PORTABLE) {
    it(part, () => {
      const changed = Buffer.from(hex(FIXED_ROOT).replaceAll(from, to), 'hex');
      assert.notDeepEqual(changed, FIXED_ROOT);
      assert.throws(() => constrainedAnchor(changed, PEER), { code: 'RootNotPortable' });
    });
  }
});
