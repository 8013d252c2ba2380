// What is left of a bundle after the rules, and what says why? (Which documents each rule objects to: vectors.test.ts)
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { findingOf } from '../../src/bundle/bundle-rules.ts';
import { fingerprint, type Bundle } from '../../src/bundle/bundle.ts';
import { checkBundle } from '../../src/bundle/check-bundle.ts';
import { RootIndexer } from '../../src/bundle/known-roots.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { makeRoot, type Issued } from '../fakes/fake-ca.ts';

const WEST = parseTrustDomain('west.example');

function bundleOf(...roots: readonly Issued[]): Bundle {
  const x509Authorities = roots.map(({ der }) => der);
  return {
    trustDomain: WEST,
    x509Authorities,
    jwtAuthorities: [{ keyId: 'a', publicKey: Buffer.from('1') }],
    sequenceNumber: 7n,
    refreshHintSeconds: 300,
  };
}

describe('checkBundle', () => {
  let good: Issued;
  let weak: Issued;
  let foreign: Issued;
  before(async () => {
    good = await makeRoot(WEST);
    weak = await makeRoot(WEST, { algorithm: 'RSA-1024', notAfter: new Date('2030-01-01T00:00:00Z') });
    foreign = await makeRoot('elsewhere.example');
  });
  const context = {
    now: new Date('2040-01-01T00:00:00Z'),
    knownRoots: new RootIndexer().index(undefined, []),
    maxRoots: 2,
  };
  const check = (bundle: Bundle, findings: Parameters<typeof checkBundle>[0]['findings'] = []) =>
    checkBundle({ bundle, findings }, context);
  const idsOf = ({ findings }: ReturnType<typeof checkBundle>) => findings.map(({ ruleId }) => ruleId);

  it('leaves an ignored root out and all else as it was; every rule has its say about that root', () => {
    const checked = check(bundleOf(weak, good));
    assert.deepEqual(checked.bundle, bundleOf(good));
    assert.deepEqual(idsOf(checked), ['WeakKey', 'RootExpired']);
    assert.deepEqual(new Set(checked.findings.map(({ subject }) => subject)), new Set([fingerprint(weak.der)]));
    assert.equal(checked.refusedBy, undefined);
  });

  it('keeps a repeated root once', () => {
    const checked = check(bundleOf(good, good));
    assert.deepEqual(checked.bundle, bundleOf(good));
    assert.deepEqual(idsOf(checked), ['DuplicateRoot']);
  });

  it('is refused by the first finding that refuses, and goes on to name the others', () => {
    const checked = check(bundleOf(foreign, weak));
    assert.equal(checked.refusedBy?.ruleId, 'RootNamesOtherTrustDomain');
    assert.deepEqual(idsOf(checked), ['RootNamesOtherTrustDomain', 'WeakKey', 'RootExpired']);
  });

  it('reads no root of a bundle that has too many', () => {
    const unreadable = { ...good, der: Buffer.from('no certificate') };
    const checked = check(bundleOf(good, weak, unreadable));
    assert.equal(checked.refusedBy?.ruleId, 'TooManyRoots');
    assert.deepEqual(idsOf(checked), ['TooManyRoots']);
    assert.deepEqual(checked.refusedBy.subject, undefined);
  });

  it('passes on what reading the document found, before its own findings', () => {
    const found = findingOf('UnknownUse', 'keys[1] has use "new"', 'keys[1]');
    assert.deepEqual(idsOf(check(bundleOf(good, good), [found])), ['UnknownUse', 'DuplicateRoot']);
  });
});
