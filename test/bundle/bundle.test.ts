// When are two bundles the same, and what changed between them?
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import {
  bundleDigest,
  bundlesEqual,
  canonicalBundle,
  diffBundles,
  fingerprint,
  type Bundle,
} from '../../src/bundle/bundle.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { makeRoot } from '../fakes/fake-ca.ts';

describe('bundles', () => {
  let roots: readonly Uint8Array[];
  let bundle: Bundle;
  before(async () => {
    roots = (await Promise.all(['a', 'b', 'c'].map(() => makeRoot('west.example')))).map(({ der }) => der);
    bundle = {
      trustDomain: parseTrustDomain('west.example'),
      x509Authorities: roots.slice(0, 2),
      jwtAuthorities: [
        { keyId: 'one', publicKey: Buffer.from('1') },
        { keyId: 'two', publicKey: Buffer.from('2') },
      ],
      sequenceNumber: 7n,
      refreshHintSeconds: 300,
    };
  });

  it('have one digest whatever the order of their keys, and whatever the number and hint', () => {
    const shuffled: Bundle = {
      ...bundle,
      x509Authorities: bundle.x509Authorities.toReversed(),
      jwtAuthorities: bundle.jwtAuthorities.toReversed(),
      sequenceNumber: 8n,
      refreshHintSeconds: undefined,
    };
    assert.equal(bundleDigest(shuffled), bundleDigest(bundle));
    assert.deepEqual(canonicalBundle(shuffled).x509Authorities, canonicalBundle(bundle).x509Authorities);
  });

  it('have another digest with another root, key, key id or trust domain', () => {
    const [first] = bundle.jwtAuthorities;
    const others: Bundle[] = [
      { ...bundle, x509Authorities: roots },
      { ...bundle, x509Authorities: [] },
      { ...bundle, jwtAuthorities: [first!] },
      { ...bundle, jwtAuthorities: [first!, { keyId: 'two', publicKey: Buffer.from('3') }] },
      { ...bundle, jwtAuthorities: [first!, { keyId: 'zwei', publicKey: Buffer.from('2') }] },
      { ...bundle, trustDomain: parseTrustDomain('east.example') },
    ];
    assert.equal(new Set([bundle, ...others].map(bundleDigest)).size, 7);
  });

  it('are equal only with the same number and hint; absent is not zero', () => {
    assert.ok(bundlesEqual(bundle, { ...bundle, x509Authorities: bundle.x509Authorities.toReversed() }));
    assert.ok(!bundlesEqual(bundle, { ...bundle, sequenceNumber: 8n }));
    assert.ok(!bundlesEqual({ ...bundle, sequenceNumber: 0n }, { ...bundle, sequenceNumber: undefined }));
    assert.ok(!bundlesEqual({ ...bundle, refreshHintSeconds: 0 }, { ...bundle, refreshHintSeconds: undefined }));
  });

  it('show what came and what went; a key that changed under its id did both', () => {
    const after: Bundle = {
      ...bundle,
      x509Authorities: roots.slice(1),
      jwtAuthorities: [
        { keyId: 'two', publicKey: Buffer.from('changed') },
        { keyId: 'three', publicKey: Buffer.from('3') },
      ],
    };
    assert.deepEqual(diffBundles(bundle, after), {
      addedRoots: [fingerprint(roots[2]!)],
      removedRoots: [fingerprint(roots[0]!)],
      addedJwtKeyIds: ['three', 'two'],
      removedJwtKeyIds: ['one', 'two'],
    });
  });
});
