// Is what we write the DER that we read?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { contentOf, readDer, readDerValues, readObjectIdentifier } from '../../src/bundle/der.ts';
import { encodeDer, encodeObjectIdentifier } from '../../src/istio/write-der.ts';

describe('values in DER', () => {
  it('have lengths as short as can be', () => {
    for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536]) {
      const content = Buffer.alloc(length, 7);
      assert.deepEqual(Buffer.from(readDer(encodeDer(0x04, content), 0x04)), content);
    }
  });

  it('stand one after the other in the value that holds them', () => {
    const parts = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 });
    fc.assert(
      fc.property(parts, (contents) => {
        const whole = encodeDer(0x30, ...contents.map((content) => encodeDer(0x04, content)));
        const read = readDerValues(readDer(whole, 0x30)).map((value) => Buffer.from(contentOf(value, 0x04)));
        assert.deepEqual(
          read,
          contents.map((content) => Buffer.from(content)),
        );
      }),
    );
  });

  it('hold object identifiers', () => {
    for (const id of ['2.5.29.30', '1.3.101.112', '1.2.840.113549.1.1.11', '0.9.2342.19200300.100.1.25', '2.5.4.3']) {
      assert.equal(readObjectIdentifier(readDer(encodeObjectIdentifier(id), 0x06)), id);
    }
  });
});
