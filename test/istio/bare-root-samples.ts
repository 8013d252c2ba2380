// Which roots are read by every parser of mesh config, and which by some alone? One row for each rule.
import { encodeDer, encodeObjectIdentifier } from '../../src/istio/write-der.ts';
import type { CertificateOptions } from '../fakes/fake-ca.ts';
import { WEST } from '../federation/samples.ts';

export const text = (tag: number, content: string) => encodeDer(tag, Buffer.from(content, 'latin1'));
export const sequence = (...parts: readonly Uint8Array[]) => encodeDer(0x30, ...parts);

/** One extension beside those of every root. */
export function having(id: string, value: Uint8Array, isCritical = false): CertificateOptions {
  return { otherExtensions: [{ id, isCritical, value }] };
}

const POLICY = encodeObjectIdentifier('2.5.29.32.0');
const names = (...generalNames: readonly Uint8Array[]): CertificateOptions => ({
  uris: [],
  ...having('2.5.29.17', sequence(...generalNames)),
});
const bounds = (...lists: readonly Uint8Array[]) => having('2.5.29.30', sequence(...lists), true);
const permitted = (...bases: readonly Uint8Array[]) => encodeDer(0xa0, ...bases.map((base) => sequence(base)));
const excluded = (...bases: readonly Uint8Array[]) => encodeDer(0xa1, ...bases.map((base) => sequence(base)));
const info = (...id: readonly Uint8Array[]) => sequence(sequence(...id, text(0x86, 'http://ca.west.example/ca.crt')));
const point = (kind: number) => sequence(sequence(encodeDer(0xa0, encodeDer(kind, text(0x86, 'http://crl.example/')))));

export const READABLE_ROOTS: readonly (readonly [what: string, options: CertificateOptions])[] = [
  ['a root as SPIRE makes them', {}],
  ['no subject key id', { hasSubjectKeyId: false }],
  ['names of many kinds', { dnsNames: ['ca.west.example'], ipAddresses: ['10.0.0.1'], uris: [`spiffe://${WEST}`] }],
  ['an email name', names(text(0x81, 'ca@west.example'))],
  ['name constraints', bounds(permitted(text(0x82, '.west.example'), text(0x86, WEST)), excluded(text(0x81, '')))],
  ['the place of its CRL', having('2.5.29.31', point(0xa0))],
  ['a policy', having('2.5.29.32', sequence(sequence(POLICY)))],
  ['the place of its issuer', having('1.3.6.1.5.5.7.1.1', info(encodeObjectIdentifier('1.3.6.1.5.5.7.48.2')))],
  [
    'policies that follow others',
    having('2.5.29.33', sequence(sequence(POLICY, encodeObjectIdentifier('1.3.6.1.4.1.9')))),
  ],
  ['bounds of policies', having('2.5.29.36', sequence(text(0x80, '\0'), text(0x81, '\x01')), true)],
  ['a bound of any policy', having('2.5.29.54', encodeDer(0x02, Uint8Array.of(0)), true)],
  ['an extension of its own', having('1.3.6.1.4.1.99999.1', sequence())],
];

export const UNREADABLE_ROOTS: readonly (readonly [what: string, options: CertificateOptions, fault: RegExp])[] = [
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
  ['a policy twice', having('2.5.29.32', sequence(sequence(POLICY), sequence(POLICY))), /certificate policies/],
  ['a policy that follows none', having('2.5.29.33', sequence(sequence(POLICY))), /policy mappings/],
  ['a bound of policies in two octets', having('2.5.29.36', sequence(text(0x80, '\0\x01'))), /policy constraints/],
  ['a bound of any policy below zero', having('2.5.29.54', text(0x02, '\x80')), /inhibit any policy/],
  ['an authority without a method', having('1.3.6.1.5.5.7.1.1', info()), /authority information/],
];
