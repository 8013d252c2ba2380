// Which trust domains can name constraints hold a CA to?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { whyNotConstrainable } from '../../src/istio/constrainable-name.ts';

const LABEL = 'a'.repeat(63);

const CONSTRAINABLE: readonly string[] = [
  ...['peer.test', 'peer', '9.peer', '9peer', '1.2.3.4.test', 'peer.9a', 'peer.1-2', 'peer.0xg', '0x7f.test'],
  ...['pe--er.test', 'xn--peer.test', `${LABEL}.test`, `${LABEL}.${LABEL}.${LABEL}.${LABEL}`],
];

const NOT_CONSTRAINABLE: readonly (readonly [name: string, why: RegExp])[] = [
  ['under_score.test', /has an underscore/],
  ['peer.under_score', /has an underscore/],
  ['.peer.test', /begins or ends with a dot/],
  ['peer.test.', /begins or ends with a dot/],
  ['peer..test', /two in a row/],
  ['.', /begins or ends with a dot/],
  ['-peer.test', /dash/],
  ['sub.-peer.test', /dash/],
  ['peer-.test', /dash/],
  ['peer-', /dash/],
  [`a${LABEL}.test`, /more than 63/],
  [`peer.a${LABEL}`, /more than 63/],
  ['10.0.0.1', /ends with a number/],
  ['peer.123', /ends with a number/],
  ['peer.0x1f', /ends with a number/],
  ['0x', /ends with a number/],
];

describe('name constraints', () => {
  for (const name of CONSTRAINABLE) {
    it(`can hold a CA to ${name}`, () => {
      assert.equal(whyNotConstrainable(parseTrustDomain(name)), undefined);
    });
  }

  for (const [name, why] of NOT_CONSTRAINABLE) {
    it(`cannot hold a CA to ${name}, and name the alternative`, () => {
      const sentence = whyNotConstrainable(parseTrustDomain(name)) ?? '';
      assert.match(sentence, why);
      assert.match(sentence, /SpireSds/);
    });
  }
});
