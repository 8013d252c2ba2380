// Is a root that stands in mesh config as it is read by every parser there?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { whyNotBare } from '../../src/istio/bare-root.ts';
import { readDer, readDerValues } from '../../src/bundle/der.ts';
import { peerAnchors } from '../../src/istio/peer-anchors.ts';
import { encodeDer, encodeObjectIdentifier } from '../../src/istio/write-der.ts';
import { makeRoot } from '../fakes/fake-ca.ts';
import { WEST } from '../federation/samples.ts';
import { having, READABLE_ROOTS, sequence, text, UNREADABLE_ROOTS } from './bare-root-samples.ts';

/** ecdsa-with-SHA384. */
const OTHER_ALGORITHM = sequence(encodeObjectIdentifier('1.2.840.10045.4.3.3'));

describe('a root that stands in mesh config as it is', () => {
  for (const [what, options] of READABLE_ROOTS) {
    it(`may have ${what}`, async () => {
      assert.equal(whyNotBare((await makeRoot(WEST, options)).der), undefined);
    });
  }

  for (const [what, options, fault] of UNREADABLE_ROOTS) {
    it(`must not have ${what}`, async () => {
      assert.match(whyNotBare((await makeRoot(WEST, options)).der) ?? 'nothing', fault);
    });
  }

  for (const [what, changed, fault] of [
    ['an issuer that is empty', { issuer: sequence() }, /an issuer/],
    ['an issuer whose text is none', { issuer: named(0x13, 'ro\u00ff') }, /an issuer/],
    ['an issuer of numbers that are none', { issuer: named(0x12, 'root') }, /an issuer/],
    ['an issuer that is no set of names', { issuer: sequence(text(0x11, '')) }, /an issuer/],
    ['a subject that is no set of names', { subject: sequence(text(0x11, '')) }, /a subject/],
    ['two names for the algorithm of its signature', { algorithm: OTHER_ALGORITHM }, /two names for the algorithm/],
  ] as const) {
    it(`must not have ${what}`, async () => {
      assert.match(whyNotBare(withHead((await makeRoot(WEST)).der, changed)) ?? 'nothing', fault);
    });
  }

  it('must not have a version of two octets, whose first is right', async () => {
    const der = withHead((await makeRoot(WEST)).der, { version: encodeDer(0xa0, text(0x02, '\x02\x82')) });
    assert.throws(() => whyNotBare(der), { code: 'CertificateMalformed' });
  });

  for (const [what, serial, fault] of [
    ['21 octets', [0x01, ...Array<number>(20).fill(7)], /more than 20 bytes/],
    ['zero', [0], /not positive/],
    ['a negative number', [0x80], /not positive/],
  ] as const) {
    it(`must not have a serial number of ${what}`, async () => {
      assert.match(
        whyNotBare(withHead((await makeRoot(WEST)).der, { serial: encodeDer(0x02, Uint8Array.from(serial)) })) ??
          'nothing',
        fault,
      );
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

function named(tag: number, name: string): Uint8Array {
  return sequence(encodeDer(0x31, sequence(encodeObjectIdentifier('2.5.4.3'), text(tag, name))));
}

interface Head {
  /** Whole values. */
  readonly version?: Uint8Array;
  readonly serial?: Uint8Array;
  readonly algorithm?: Uint8Array;
  readonly issuer?: Uint8Array;
  readonly subject?: Uint8Array;
}

/** Its signature no longer fits: parsers do not look at that. */
function withHead(root: Uint8Array, changed: Head): Uint8Array {
  const [body = new Uint8Array(), ...rest] = valuesIn(root);
  const [version, serial, algorithm, issuer, validity, subject, ...others] = valuesIn(body);
  const head = { version, serial, algorithm, issuer, validity, subject, ...changed };
  return sequence(sequence(...Object.values(head).flatMap((value) => value ?? []), ...others), ...rest);
}

/** The whole values in a value. */
function valuesIn(der: Uint8Array): Uint8Array[] {
  return readDerValues(readDer(der, 0x30)).map(({ tag, content }) => encodeDer(tag, content));
}
