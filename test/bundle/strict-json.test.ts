// Is JSON read exactly, and nothing beside it?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  isJsonArray,
  isJsonNumber,
  isJsonObject,
  parseStrictJson,
  type JsonValue,
} from '../../src/bundle/strict-json.ts';

const read = (text: string, maxDepth = 32) => parseStrictJson(Buffer.from(text), maxDepth);

/** As JSON.parse would give it, for texts where the two must agree. */
function plain(value: JsonValue): unknown {
  if (isJsonNumber(value)) return Number(value.digits);
  if (isJsonArray(value)) return value.map(plain);
  if (isJsonObject(value)) return Object.fromEntries([...value].map(([name, member]) => [name, plain(member)]));
  return value;
}

describe('parseStrictJson', () => {
  it('reads every JSON value as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.json({ noUnicodeString: false }), (text) => {
        assert.equal(JSON.stringify(plain(read(text))), JSON.stringify(JSON.parse(text)));
      }),
    );
  });

  it('keeps all digits of a number of 64 bits', () => {
    assert.deepEqual(read('18446744073709551615'), { digits: '18446744073709551615' });
  });

  it('reads escapes, also of two halves of one character', () => {
    assert.equal(read(String.raw`"\u00fc\n\"\\\/\ud83d\ude00"`), 'ü\n"\\/😀');
  });

  it('takes "__proto__" for a name like any other', () => {
    const value = read('{"__proto__":{"keys":1}}');
    assert.ok(isJsonObject(value) && value.has('__proto__') && !value.has('keys'));
  });

  for (const [text, message] of [
    ['', /line 1, column 1: the document ends too early/],
    ['{"a":1', /"," is expected/],
    ['{"a":1,}', /member name in double quotes/],
    ['{a:1}', /member name in double quotes/],
    ['{"a" 1}', /":" is expected/],
    ['[1,]', /no JSON value/],
    ['[1 2]', /"," is expected/],
    ['01', /something follows/],
    ['1.', /something follows/],
    ['+1', /no JSON value/],
    ['NaN', /no JSON value/],
    ["'a'", /no JSON value/],
    ['"a', /a string does not end/],
    ['"a\nb"', /control character/],
    [String.raw`"\x41"`, /no such escape/],
    [String.raw`"\u00g0"`, /four hexadecimal digits/],
    ['{} {}', /something follows/],
    ['// x\n{}', /no JSON value/],
    ['{\n  "a": 1,\n  b: 2\n}', /line 3, column 3/],
  ] as const) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => read(text), { code: 'DocumentNotJson', message });
    });
  }

  it('refuses a member that is there twice, at any level, also when it is spelt with escapes', () => {
    for (const text of ['{"a":1,"a":1}', '[{"x":{"a":1,"a":2}}]', String.raw`{"a":1,"\u0061":2}`]) {
      assert.throws(() => read(text), { code: 'DocumentHasDuplicateMember', message: /member "a" is there twice/ });
    }
  });

  it('refuses more levels than allowed without using the stack up', () => {
    assert.doesNotThrow(() => read('[[[1]]]', 4));
    assert.throws(() => read('[[[1]]]', 3), { code: 'DocumentTooDeep' });
    assert.throws(() => read('['.repeat(1_000_000), 16), { code: 'DocumentTooDeep' });
  });

  it('refuses half a character, also in a member name: in UTF-8 all such texts would be one', () => {
    const message = /line 1, column \d+: an escape in the string stands for half a character/;
    for (const text of ['"\\ud800"', '{"\\ud800":1}', '["\\udc00 \\ud800"]', '"\\ud83dx\\ude00"', '"\\ude00\\ud83d"']) {
      assert.throws(() => read(text), { code: 'DocumentNotJson', message }, text);
    }
  });

  it('refuses bytes that are not UTF-8, and a byte order mark', () => {
    assert.throws(() => parseStrictJson(Buffer.from([0x22, 0xff, 0x22]), 4), { code: 'DocumentNotUtf8' });
    assert.throws(() => parseStrictJson(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), 4), { code: 'DocumentNotUtf8' });
    assert.throws(() => read('\uFEFF{}'), { code: 'DocumentNotJson', message: /byte order mark/ });
  });
});
