// Are two keys told apart by the key and not by its spelling, and weak ones by their size? (RFC 7517, RFC 7638)
import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, it } from 'node:test';
import { describePublicKey, importJwk, saysKey, weaknessOf } from '../../src/bundle/public-key.ts';

const keys: Readonly<Record<string, KeyObject>> = {
  'P-256': generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey,
  'P-521': generateKeyPairSync('ec', { namedCurve: 'P-521' }).publicKey,
  'P-224': generateKeyPairSync('ec', { namedCurve: 'secp224r1' }).publicKey,
  'RSA-2048': generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey,
  'RSA-1024': generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey,
  'RSA-PSS-2048': generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey,
  'DSA-2048': generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 }).publicKey,
  Ed25519: generateKeyPairSync('ed25519').publicKey,
};

describe('a public key', () => {
  it('has the SHA-256 of its JWK’s required members for its fingerprint (RFC 7638 §3.1)', () => {
    const example = importJwk({
      kty: 'RSA',
      n: '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw',
      e: 'AQAB',
    });
    assert.equal(
      Buffer.from(describePublicKey(example!).fingerprint, 'hex').toString('base64url'),
      'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs',
    );
  });

  it('has one fingerprint however its point is encoded', () => {
    const spki = keys['P-256']!.export({ format: 'der', type: 'spki' });
    const [x, y] = [spki.subarray(-64, -32), spki.subarray(-32)];
    const point = Buffer.concat([Buffer.from([2 + (y.at(-1)! & 1)]), x]);
    const head = Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex');
    const compressed = createPublicKey({ key: Buffer.concat([head, point]), format: 'der', type: 'spki' });
    assert.equal(describePublicKey(compressed).fingerprint, describePublicKey(keys['P-256']!).fingerprint);
  });

  it('is told apart from every other, also without a JWK', () => {
    const described = Object.values(keys).map(describePublicKey);
    assert.equal(new Set(described.map(({ fingerprint }) => fingerprint)).size, described.length);
    assert.equal(describePublicKey(keys['DSA-2048']!).jwk, undefined);
  });

  it('is said by a JWK in any spelling, and by no other JWK', () => {
    const key = describePublicKey(keys['RSA-2048']!);
    const padded = Buffer.concat([Buffer.alloc(1), Buffer.from(key.jwk!.e!, 'base64url')]).toString('base64url');
    assert.ok(saysKey(key.jwk!, key));
    assert.ok(saysKey({ ...key.jwk, e: padded }, key));
    assert.ok(!saysKey(keys['RSA-1024']!.export({ format: 'jwk' }), key));
    assert.ok(!saysKey({ kty: 'RSA' }, key));
  });

  for (const [name, weakness] of [
    ['P-256', undefined],
    ['P-521', undefined],
    ['P-224', /curve secp224r1/],
    ['RSA-2048', undefined],
    ['RSA-1024', /only 1024 bits/],
    ['RSA-PSS-2048', undefined],
    ['DSA-2048', /DSA/],
    ['Ed25519', undefined],
  ] as const) {
    it(`${name} is ${weakness === undefined ? 'strong enough' : 'weak'}`, () => {
      const said = weaknessOf(describePublicKey(keys[name]!));
      if (weakness === undefined) assert.equal(said, undefined);
      else assert.match(said ?? '', weakness);
    });
  }
});
