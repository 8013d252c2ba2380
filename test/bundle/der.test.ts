// Is DER read, and nothing that only resembles it? (X.690 §8, §10, §11)
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  DER_TAG,
  DerError,
  readAsciiText,
  readBoolean,
  readDer,
  readDerValues,
  readNamedBits,
  readObjectIdentifier,
} from '../../src/bundle/der.ts';

const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');

/** Written by the book, to be read back. */
function written(tag: number, content: Uint8Array): Buffer {
  const { length } = content;
  const octets =
    length < 0x80 ? [] : bytes(length.toString(16).padStart(length > 0xffff ? 6 : length > 0xff ? 4 : 2, '0'));
  const head = length < 0x80 ? [length] : [0x80 | octets.length, ...octets];
  return Buffer.concat([Buffer.from([tag, ...head]), content]);
}

describe('a value in DER', () => {
  it('is read back as it was written, whatever its length, and so are several in a row', () => {
    const lengths = fc.constantFrom(0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000);
    fc.assert(
      fc.property(fc.array(lengths, { maxLength: 4 }), (sizes) => {
        const contents = sizes.map((size) => Buffer.alloc(size, 7));
        const values = readDerValues(Buffer.concat(contents.map((content) => written(DER_TAG.octetString, content))));
        assert.deepEqual(
          values.map(({ tag, content }) => [tag, Buffer.from(content)]),
          contents.map((content) => [DER_TAG.octetString, content]),
        );
      }),
      { numRuns: 50 },
    );
  });

  for (const [what, hex] of [
    ['with another tag', '05 00'],
    ['with another after it', '04 00 04 00'],
    ['that is not there', ''],
    ['of which there is only a tag', '04'],
    ['longer than what holds it', '04 02 00'],
    ['with a tag of two octets', '1f 81 00'],
    ['of indefinite length', '04 80 00 00'],
    ['with a length of two octets where one is enough', '04 81 01 00'],
    ['with a length that begins with zero', `04 82 00 80 ${'00'.repeat(128)}`],
    ['with a length of five octets', '04 85 00 00 00 00 00'],
    ['with a length cut short', '04 82 01'],
  ] as const) {
    it(`is refused ${what}`, () => {
      assert.throws(() => readDer(bytes(hex), DER_TAG.octetString), DerError);
    });
  }
});

describe('booleans, bits, identifiers and texts', () => {
  it('a boolean is all zeros or all ones', () => {
    assert.deepEqual([readBoolean(bytes('00')), readBoolean(bytes('ff'))], [false, true]);
    for (const hex of ['01', '', 'ff ff']) assert.throws(() => readBoolean(bytes(hex)), DerError);
  });

  it('named bits count from the left, and those left out at the end are not set', () => {
    const isSet = readNamedBits(bytes('07 00 80'));
    assert.deepEqual([0, 7, 8, 9, 100].map(isSet), [false, false, true, false, false]);
    assert.equal(readNamedBits(bytes('00'))(0), false);
    for (const hex of ['', '08 00', '01', '01 81']) assert.throws(() => readNamedBits(bytes(hex)), DerError);
  });

  it('an object identifier is read with its first two numbers apart', () => {
    assert.equal(readObjectIdentifier(bytes('55 1d 0f')), '2.5.29.15');
    assert.equal(readObjectIdentifier(bytes('2a 86 48 86 f7 0d 01 01 0b')), '1.2.840.113549.1.1.11');
    assert.equal(readObjectIdentifier(bytes('88 37')), '2.999');
    assert.equal(readObjectIdentifier(bytes('09')), '0.9');
    for (const hex of ['', '55 9d', 'ff'.repeat(20) + '7f']) {
      assert.throws(() => readObjectIdentifier(bytes(hex)), DerError);
    }
  });

  it('a text beyond ASCII is refused, not guessed at', () => {
    assert.equal(readAsciiText(Buffer.from('spiffe://west.example')), 'spiffe://west.example');
    assert.throws(() => readAsciiText(Buffer.from('spiffe://zürich')), DerError);
  });
});
