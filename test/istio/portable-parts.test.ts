// Which keys, times and names do istiod and Envoy both read?
import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { certificateParts, type CertificateParts } from '../../src/istio/certificate-parts.ts';
import { whyNotPortable } from '../../src/istio/portable-parts.ts';
import { encodeDer, encodeObjectIdentifier } from '../../src/istio/write-der.ts';
import { makeRoot } from '../fakes/fake-ca.ts';

const spki = (key: KeyObject) => key.export({ format: 'der', type: 'spki' });
const onCurve = (namedCurve: string) => spki(generateKeyPairSync('ec', { namedCurve }).publicKey);
const rsa = (bits: number) => spki(generateKeyPairSync('rsa', { modulusLength: bits }).publicKey);

/** The same key with its point compressed: Go does not read it. */
function compressed(): Uint8Array {
  const { x, y } = createPublicKey({ key: onCurve('P-256'), format: 'der', type: 'spki' }).export({ format: 'jwk' });
  const sign = (Buffer.from(y ?? '', 'base64url').at(-1) ?? 0) & 1;
  const algorithm = [encodeObjectIdentifier('1.2.840.10045.2.1'), encodeObjectIdentifier('1.2.840.10045.3.1.7')];
  const point = [Uint8Array.of(0, 2 + sign), Buffer.from(x ?? '', 'base64url')];
  return encodeDer(0x30, encodeDer(0x30, ...algorithm), encodeDer(0x03, ...point));
}

const time = (tag: number, text: string) => encodeDer(tag, Buffer.from(text));
const validity = (from: Uint8Array) => encodeDer(0x30, from, time(0x18, '20900101000000Z'));
const commonName = (tag: number, text: string, id = '2.5.4.3') => {
  const attribute = encodeDer(0x30, encodeObjectIdentifier(id), encodeDer(tag, Buffer.from(text, 'latin1')));
  return encodeDer(0x30, encodeDer(0x31, attribute));
};

const PORTABLE: readonly (readonly [what: string, part: () => Partial<CertificateParts>])[] = [
  ...['P-256', 'P-384', 'P-521'].map((curve) => [curve, () => ({ publicKey: onCurve(curve) })] as const),
  ['RSA', () => ({ publicKey: rsa(2048) })],
  ['Ed25519', () => ({ publicKey: spki(generateKeyPairSync('ed25519').publicKey) })],
  ['a UTC time', () => ({ validity: validity(time(0x17, '240229235959Z')) })],
  ['a UTF-8 text', () => ({ subject: commonName(0x0c, 'Stra\u00c3\u009fe') })],
  ['a printable text', () => ({ subject: commonName(0x13, 'Root (A) + B/C: 1, 2. O=x?') })],
  ['an ASCII text', () => ({ subject: commonName(0x16, 'ca@peer.test', '1.2.840.113549.1.9.1') })],
];

const NOT_PORTABLE: readonly (readonly [what: string, part: () => Partial<CertificateParts>, fault: RegExp])[] = [
  ['secp256k1', () => ({ publicKey: onCurve('secp256k1') }), /a key other than/],
  ['a compressed point', () => ({ publicKey: compressed() }), /unusual encoding/],
  ['Ed448', () => ({ publicKey: spki(generateKeyPairSync('ed448').publicKey) }), /a key other than/],
  ['no key at all', () => ({ publicKey: Uint8Array.of(0x30, 0) }), /a key other than/],
  ['a 30th of February', () => ({ validity: validity(time(0x17, '240230000000Z')) }), /a time/],
  ['a time without seconds', () => ({ validity: validity(time(0x17, '2402290000Z')) }), /a time/],
  ['a time with a zone', () => ({ validity: validity(time(0x18, '20240229000000+0000')) }), /a time/],
  ['a date of another type', () => ({ validity: validity(time(0x0c, '20240229000000Z')) }), /a time/],
  ['an empty subject', () => ({ subject: Uint8Array.of(0x30, 0) }), /a subject/],
  ['a text that is not UTF-8', () => ({ subject: commonName(0x0c, 'ro\u00ff') }), /a subject/],
  ['an ASCII text with other bytes', () => ({ subject: commonName(0x16, 'ro\u00e9') }), /a subject/],
  ['a printable text with @', () => ({ subject: commonName(0x13, 'ca@peer.test') }), /a subject/],
  ['a text of two bytes a character', () => ({ subject: commonName(0x1e, '\0r') }), /a subject/],
  ['a number too large in an identifier', () => ({ subject: commonName(0x0c, 'r', '2.5.4294967295') }), /a subject/],
];

describe('istiod and Envoy', () => {
  let parts: CertificateParts;
  before(async () => {
    parts = certificateParts((await makeRoot('peer.test')).der);
  });

  for (const [what, part] of PORTABLE) {
    it(`both read ${what}`, () => {
      assert.equal(whyNotPortable({ ...parts, ...part() }), undefined);
    });
  }

  for (const [what, part, fault] of NOT_PORTABLE) {
    it(`do not both read ${what}`, () => {
      assert.match(whyNotPortable({ ...parts, ...part() }) ?? '', fault);
    });
  }
});
