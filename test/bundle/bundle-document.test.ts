// Does a bundle survive being written and read, byte for byte the same? (SPIFFE Trust Domain and Bundle §4)
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { before, describe, it } from 'node:test';
import fc from 'fast-check';
import { parseBundleDocument, serializeBundle } from '../../src/bundle/bundle-document.ts';
import { bundleDigest, type Bundle } from '../../src/bundle/bundle.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { makeRoot } from '../fakes/fake-ca.ts';

const WEST = parseTrustDomain('west.example');

describe('a bundle document', () => {
  let whole: Bundle;
  before(async () => {
    const algorithms = ['P-256', 'P-384', 'RSA-2048', 'Ed25519'] as const;
    const roots = await Promise.all(algorithms.map((algorithm) => makeRoot('west.example', { algorithm })));
    const jwtKeys = [
      generateKeyPairSync('ec', { namedCurve: 'P-256' }),
      generateKeyPairSync('rsa', { modulusLength: 2048 }),
    ];
    whole = {
      trustDomain: WEST,
      x509Authorities: roots.map(({ der }) => der),
      jwtAuthorities: jwtKeys.map(({ publicKey }, index) => ({
        keyId: `key ${index}`,
        publicKey: publicKey.export({ format: 'der', type: 'spki' }),
      })),
      sequenceNumber: 2n ** 64n - 1n,
      refreshHintSeconds: 60,
    };
  });

  it('holds after reading what was written, for any part of the keys in any order', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray([0, 1, 2, 3]),
        fc.shuffledSubarray([0, 1]),
        fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { nil: undefined }),
        (roots, keys, sequenceNumber) => {
          const bundle: Bundle = {
            ...whole,
            x509Authorities: roots.map((index) => whole.x509Authorities[index]!),
            jwtAuthorities: keys.map((index) => whole.jwtAuthorities[index]!),
            sequenceNumber,
          };
          const { bundle: read, findings } = parseBundleDocument(
            serializeBundle(bundle, { refreshHintSeconds: 60 }),
            WEST,
          );
          assert.deepEqual(findings, []);
          assert.equal(bundleDigest(read), bundleDigest(bundle));
          assert.equal(read.sequenceNumber, sequenceNumber);
          assert.equal(read.refreshHintSeconds, 60);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('has the same bytes for the same keys, whatever their order (rule 14)', () => {
    const turned = {
      ...whole,
      x509Authorities: [...whole.x509Authorities.toReversed(), whole.x509Authorities[0]!],
      jwtAuthorities: whole.jwtAuthorities.toReversed(),
    };
    assert.deepEqual(
      serializeBundle(turned, { refreshHintSeconds: 5 }),
      serializeBundle(whole, { refreshHintSeconds: 5 }),
    );
  });

  it('is written as SPIRE and go-spiffe need it: kty and curve beside one x5c, no kid on roots, always a hint', () => {
    const { keys, ...rest } = JSON.parse(
      serializeBundle({ ...whole, sequenceNumber: 3n }, { refreshHintSeconds: 300 }).toString(),
    ) as {
      keys: Record<string, unknown>[];
    };
    assert.deepEqual(rest, { spiffe_sequence: 3, spiffe_refresh_hint: 300 });
    for (const key of keys) {
      assert.ok(typeof key['kty'] === 'string');
      assert.ok(key['kty'] === 'RSA' ? 'n' in key && 'e' in key : 'crv' in key && 'x' in key);
      if (key['use'] === 'x509-svid') {
        assert.equal((key['x5c'] as string[]).length, 1);
        assert.ok(!('kid' in key));
      } else assert.ok(key['use'] === 'jwt-svid' && typeof key['kid'] === 'string');
    }
  });

  it('writes no sequence number when there is none: absent is not zero', () => {
    const text = serializeBundle({ ...whole, sequenceNumber: undefined }, { refreshHintSeconds: 300 }).toString();
    assert.ok(!text.includes('spiffe_sequence'));
    assert.match(
      serializeBundle({ ...whole, sequenceNumber: 0n }, { refreshHintSeconds: 1 }).toString(),
      /"spiffe_sequence":0,/,
    );
  });

  it('with "keys": [] is read as a bundle without keys', () => {
    const { bundle } = parseBundleDocument(Buffer.from('{"keys":[]}'), WEST);
    assert.deepEqual([bundle.x509Authorities, bundle.jwtAuthorities], [[], []]);
    assert.deepEqual([bundle.sequenceNumber, bundle.refreshHintSeconds], [undefined, undefined]);
  });

  it('with a key id that is there twice names it quoted and cut', () => {
    const keyId = `a"\n${'x'.repeat(1000)}`;
    const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
    const key = { ...jwk, use: 'jwt-svid', kid: keyId };
    const { findings } = parseBundleDocument(Buffer.from(JSON.stringify({ keys: [key, key] })), WEST);
    assert.equal(findings[0]?.ruleId, 'DuplicateKeyId');
    assert.match(findings[0].subject ?? '', /^"a\\"\\nx{77}…"$/);
  });

  it('cannot be written with a key that no JWK says', () => {
    const { publicKey } = generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 });
    const key = { keyId: 'a', publicKey: publicKey.export({ format: 'der', type: 'spki' }) };
    assert.throws(() => serializeBundle({ ...whole, jwtAuthorities: [key] }, { refreshHintSeconds: 1 }), /type dsa/);
  });

  it('is refused by its size before anything is read', () => {
    const limits = { maxBytes: 10, maxKeys: 1, maxDepth: 4 };
    assert.throws(() => parseBundleDocument(Buffer.alloc(11), WEST, limits), { code: 'DocumentTooLarge' });
  });
});
