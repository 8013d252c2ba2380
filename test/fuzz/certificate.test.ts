// Can any bytes make the certificate reader do anything but read or refuse them, or read them otherwise than another
// reader does? Seeded mutations of certificates.
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import * as x509 from '@peculiar/x509';
import { BundleError } from '../../src/bundle/bundle-error.ts';
import { readCertificate, type Certificate } from '../../src/bundle/certificate.ts';
import { randomNumbers, SEED } from './random-numbers.ts';

const ROUNDS = 1_000;
const FOLDER = join(import.meta.dirname, '../vectors/bundle');
/** Roots of several keys, with all extensions and without, and a leaf. */
const DOCUMENTS = ['RootMayNotSign-pass', 'WeakSignature-pass', 'WeakKey-pass', 'RootNotCa-fail'];

function certificatesOf(document: string): Buffer[] {
  const { keys } = JSON.parse(readFileSync(join(FOLDER, `${document}.json`), 'utf8')) as {
    readonly keys: readonly { readonly x5c?: readonly string[] }[];
  };
  return keys.flatMap(({ x5c = [] }) => x5c.map((base64) => Buffer.from(base64, 'base64')));
}

/** What decides about trust, by another reader; undefined when it cannot read these bytes. */
function readElsewhere(der: Uint8Array): unknown {
  try {
    const parsed = new x509.X509Certificate(Uint8Array.from(der));
    const usages = parsed.getExtension(x509.KeyUsagesExtension)?.usages;
    const names = parsed.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? [];
    return {
      isCa: parsed.getExtension(x509.BasicConstraintsExtension)?.ca ?? false,
      keyCertSign: usages === undefined ? undefined : (usages & x509.KeyUsageFlags.keyCertSign) !== 0,
      uriSans: names.filter(({ type }) => type === 'url').map(({ value }) => value),
      dnsSans: names.filter(({ type }) => type === 'dns').map(({ value }) => value),
      subjectKeyId: parsed.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId.toLowerCase(),
    };
  } catch {
    return undefined;
  }
}

function decisive({ isCa, keyUsage, uriSans, dnsSans, subjectKeyId }: Certificate): unknown {
  return { isCa, keyCertSign: keyUsage?.keyCertSign, uriSans, dnsSans, subjectKeyId };
}

/** One or two octets are others; the length stays. */
function mutated(der: Uint8Array, random: (below: number) => number): Buffer {
  const bytes = Buffer.from(der);
  for (let change = random(2); change >= 0; change--) {
    const at = random(bytes.length);
    bytes[at] = random(3) === 0 ? random(256) : bytes[at]! ^ (1 << random(8));
  }
  return bytes;
}

it(`reads or refuses ${ROUNDS} mutated certificates, and none otherwise than another reader (again with FUZZ_SEED=${SEED})`, () => {
  const random = randomNumbers(SEED);
  const corpus = DOCUMENTS.flatMap(certificatesOf);
  let compared = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const der = mutated(corpus[random(corpus.length)]!, random);
    const place = `round ${round}: ${der.toString('base64')}`;
    try {
      const certificate = readCertificate(der);
      assert.ok(!Number.isNaN(certificate.notBefore.getTime() + certificate.notAfter.getTime()), place);
      const elsewhere = readElsewhere(der);
      if (elsewhere === undefined) continue;
      assert.deepEqual(decisive(certificate), elsewhere, place);
      compared += 1;
    } catch (error) {
      assert.ok(error instanceof BundleError, `${place}: ${String(error)}`);
      assert.equal(error.code, 'CertificateMalformed', place);
    }
  }
  assert.ok(compared > ROUNDS / 4, 'few mutations were readable: they are too coarse to say much');
});
