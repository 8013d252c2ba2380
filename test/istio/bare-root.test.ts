// Is a root that stands in mesh config as it is read by every parser there?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { whyNotBare } from '../../src/istio/bare-root.ts';
import { readDer, readDerValues } from '../../src/bundle/der.ts';
import { peerAnchors } from '../../src/istio/peer-anchors.ts';
import { encodeDer, encodeObjectIdentifier } from '../../src/istio/write-der.ts';
import { makeRoot, type CertificateOptions } from '../fakes/fake-ca.ts';
import { WEST } from '../federation/samples.ts';

const text = (tag: number, content: string) => encodeDer(tag, Buffer.from(content, 'latin1'));
const sequence = (...parts: readonly Uint8Array[]) => encodeDer(0x30, ...parts);

/** One extension beside those of every root. */
function having(id: string, value: Uint8Array, isCritical = false): CertificateOptions {
  return { otherExtensions: [{ id, isCritical, value }] };
}

const names = (...generalNames: readonly Uint8Array[]): CertificateOptions => ({
  uris: [],
  ...having('2.5.29.17', sequence(...generalNames)),
});
const bounds = (...lists: readonly Uint8Array[]) => having('2.5.29.30', sequence(...lists), true);
const permitted = (...bases: readonly Uint8Array[]) => encodeDer(0xa0, ...bases.map((base) => sequence(base)));
const excluded = (...bases: readonly Uint8Array[]) => encodeDer(0xa1, ...bases.map((base) => sequence(base)));
const info = (...id: readonly Uint8Array[]) => sequence(sequence(...id, text(0x86, 'http://ca.west.example/ca.crt')));
const point = (kind: number) => sequence(sequence(encodeDer(0xa0, encodeDer(kind, text(0x86, 'http://crl.example/')))));

const READABLE: readonly (readonly [what: string, options: CertificateOptions])[] = [
  ['a root as SPIRE makes them', {}],
  ['no subject key id', { hasSubjectKeyId: false }],
  ['names of many kinds', { dnsNames: ['ca.west.example'], ipAddresses: ['10.0.0.1'], uris: [`spiffe://${WEST}`] }],
  ['an email name', names(text(0x81, 'ca@west.example'))],
  ['name constraints', bounds(permitted(text(0x82, '.west.example'), text(0x86, WEST)), excluded(text(0x81, '')))],
  ['the place of its CRL', having('2.5.29.31', point(0xa0))],
  ['a policy', having('2.5.29.32', sequence(sequence(encodeObjectIdentifier('2.5.29.32.0'))))],
  ['the place of its issuer', having('1.3.6.1.5.5.7.1.1', info(encodeObjectIdentifier('1.3.6.1.5.5.7.48.2')))],
  ['an extension of its own', having('1.3.6.1.4.1.99999.1', sequence())],
];

const UNREADABLE: readonly (readonly [what: string, options: CertificateOptions, fault: RegExp])[] = [
  ['a critical extension nobody knows', having('1.3.6.1.4.1.99999.1', sequence(), true), /critical extension 1\.3/],
  ['a critical key id', { hasSubjectKeyId: false, ...having('2.5.29.14', text(4, 'k'), true) }, /marked critical/],
  ['an URI with a space', names(text(0x86, 'spiffe://west example/')), /subject alternative name/],
  ['an URI whose host has an empty label', names(text(0x86, 'spiffe://west..example')), /subject alternative name/],
  ['an address of five octets', names(text(0x87, '12345')), /subject alternative name/],
  ['no name where names are', names(), /subject alternative name/],
  ['name constraints of nothing', bounds(), /name constraints/],
  ['bounds that are no hosts', bounds(permitted(text(0x82, 'west example'))), /name constraints/],
  ['excluded before permitted', bounds(excluded(text(0x82, 'a')), permitted(text(0x82, 'b'))), /name constraints/],
  ['a CRL beside its issuer', having('2.5.29.31', point(0xa1)), /CRL distribution points/],
  ['a policy without a number', having('2.5.29.32', sequence(sequence(text(0x0c, 'all')))), /certificate policies/],
  ['an authority without a method', having('1.3.6.1.5.5.7.1.1', info()), /authority information/],
];

describe('a root that stands in mesh config as it is', () => {
  for (const [what, options] of READABLE) {
    it(`may have ${what}`, async () => {
      assert.equal(whyNotBare((await makeRoot(WEST, options)).der), undefined);
    });
  }

  for (const [what, options, fault] of UNREADABLE) {
    it(`must not have ${what}`, async () => {
      assert.match(whyNotBare((await makeRoot(WEST, options)).der) ?? 'nothing', fault);
    });
  }

  for (const [what, serial, fault] of [
    ['21 octets', [0x01, ...Array<number>(20).fill(7)], /more than 20 bytes/],
    ['zero', [0], /not positive/],
    ['a negative number', [0x80], /not positive/],
  ] as const) {
    it(`must not have a serial number of ${what}`, async () => {
      assert.match(whyNotBare(withSerialNumber((await makeRoot(WEST)).der, serial)) ?? 'nothing', fault);
    });
  }

  it('is refused as unfit where it is not read, and stands there unchanged where it is', async () => {
    const good = await makeRoot(WEST);
    assert.deepEqual(peerAnchors([good.der], WEST, 'Flat'), { kind: 'Anchors', ders: [good.der] });
    const bad = await makeRoot(WEST, having('1.3.6.1.4.1.99999.1', sequence(), true));
    const refused = peerAnchors([good.der, bad.der], WEST, 'Flat');
    assert.equal(refused.kind === 'None' && refused.because.code, 'RootUnfit');
  });
});

/** Its signature no longer fits: parsers do not look at that. */
function withSerialNumber(der: Uint8Array, serial: readonly number[]): Uint8Array {
  const [body = new Uint8Array(), ...rest] = valuesIn(der);
  const [version = new Uint8Array(), , ...others] = valuesIn(body);
  return sequence(sequence(version, encodeDer(0x02, Uint8Array.from(serial)), ...others), ...rest);
}

/** The whole values in a value. */
function valuesIn(der: Uint8Array): Uint8Array[] {
  return readDerValues(readDer(der, 0x30)).map(({ tag, content }) => encodeDer(tag, content));
}
