// Can foreign text break the line of a message, flood it, or pass for a part of it?
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { parseSpiffeId } from '../../src/bundle/spiffe-id.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { quoted } from '../../src/bundle/quoted.ts';

it('keeps short plain text as it is, in quotes', () => {
  assert.equal(quoted('west.example'), '"west.example"');
});

it('stays on one line, short and between its quotes, whatever the text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
      const shown = quoted(text);
      assert.match(shown, /^"(?:[^"\\\u0000-\u001f]|\\.)*"$/u);
      assert.ok(shown.length <= 6 * 81 + 2);
    }),
  );
});

it('is how refused names stand in messages', () => {
  const name = `west"\n${'x'.repeat(100_000)}`;
  for (const parse of [
    () => parseTrustDomain(name),
    () => parseTrustDomain(`spiffe://${name}`),
    () => parseSpiffeId(name),
    () => parseSpiffeId(`spiffe://${name}`),
    () => parseSpiffeId('spiffe://west.example/a"\nb'),
  ]) {
    assert.throws(parse, ({ message }: Error) => message.length < 1000 && !message.includes('\n'));
  }
});
