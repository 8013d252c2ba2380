// Which texts are trust domain names? (SPIFFE-ID §2.1)
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BundleError } from '../../src/bundle/bundle-error.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';

describe('parseTrustDomain', () => {
  it('allows exactly lower-case letters, digits, dot, dash and underscore, tried over every code point up to 255', () => {
    const allowed = Array.from({ length: 256 }, (_, code) => String.fromCodePoint(code)).filter((character) => {
      try {
        parseTrustDomain(`a${character}b`);
        return true;
      } catch (error) {
        assert.equal((error as BundleError).code, 'TrustDomainInvalid');
        return false;
      }
    });
    assert.equal(allowed.join(''), '-.0123456789_abcdefghijklmnopqrstuvwxyz');
  });

  for (const name of ['west.example', '127.0.0.1', '-', '..', 'a'.repeat(255), '_internal']) {
    it(`takes "${name.slice(0, 20)}" as it is`, () => {
      assert.equal(parseTrustDomain(name), name);
    });
  }

  for (const [name, advice] of [
    ['', /empty/],
    ['spiffe://west.example', /without the scheme, as "west.example"/],
    ['West.example', /lower-case/],
    ['west.example:443', /lower-case/],
    ['[::1]', /lower-case/],
    ['west%2eexample', /lower-case/],
    ['a'.repeat(256), /256 bytes, more than 255/],
  ] as const) {
    it(`refuses "${name.slice(0, 30)}" and says why`, () => {
      assert.throws(() => parseTrustDomain(name), advice);
    });
  }
});
