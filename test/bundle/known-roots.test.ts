// Is it known whose root and whose key a root is, and is our own told apart?
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { Bundle } from '../../src/bundle/bundle.ts';
import { readCertificate } from '../../src/bundle/certificate.ts';
import { nameKey, RootIndexer } from '../../src/bundle/known-roots.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { makeCertificate, makeRoot, type Issued } from '../fakes/fake-ca.ts';

const [EAST, WEST, NORTH] = ['east.example', 'west.example', 'north.example'].map(parseTrustDomain) as [
  Bundle['trustDomain'],
  Bundle['trustDomain'],
  Bundle['trustDomain'],
];

function bundleOf(trustDomain: Bundle['trustDomain'], ...roots: readonly Issued[]): Bundle {
  const x509Authorities = roots.map(({ der }) => der);
  return { trustDomain, x509Authorities, jwtAuthorities: [], sequenceNumber: undefined, refreshHintSeconds: undefined };
}

describe('RootIndexer', () => {
  let root: Issued;
  let sameKey: Issued;
  before(async () => {
    root = await makeRoot(WEST);
    sameKey = await makeCertificate({ isCa: true, keys: root.keys });
  });
  const rootOf = ({ der }: Issued) => readCertificate(der).fingerprint;
  const keyOf = ({ der }: Issued) => readCertificate(der).publicKey.fingerprint;

  it('names every trust domain that holds a root once, in their order, and nobody for other roots', () => {
    const known = new RootIndexer().index(undefined, [bundleOf(WEST, root, root), bundleOf(NORTH, root)]);
    assert.deepEqual(known.ownersOfRoot(rootOf(root)), [WEST, NORTH]);
    assert.deepEqual(known.ownersOfRoot(rootOf(sameKey)), []);
  });

  it('names the owners of a key that stands in several certificates', () => {
    const known = new RootIndexer().index(undefined, [bundleOf(WEST, root), bundleOf(NORTH, sameKey)]);
    assert.deepEqual(known.ownersOfKey(keyOf(root)), [WEST, NORTH]);
    assert.deepEqual(known.ownersOfKey('0'), []);
  });

  it('forgets what a later index does not hold any more', () => {
    const indexer = new RootIndexer();
    indexer.index(undefined, [bundleOf(WEST, root)]);
    const again = indexer.index(undefined, [bundleOf(WEST, root)]);
    assert.deepEqual(again.ownersOfKey(keyOf(root)), [WEST]);
    assert.deepEqual(indexer.index(undefined, []).ownersOfKey(keyOf(root)), []);
  });

  it('says nothing of our own bundle while that is not known', () => {
    assert.equal(new RootIndexer().index(undefined, [bundleOf(WEST, root)]).own, undefined);
  });

  it('knows our own roots by bytes, by key, and by subject with subject key id', () => {
    const { own, ownersOfRoot } = new RootIndexer().index(bundleOf(EAST, root), []);
    const { subject, subjectKeyId } = readCertificate(root.der);
    assert.equal(own?.trustDomain, EAST);
    assert.ok(own.fingerprints.has(rootOf(root)));
    assert.ok(own.publicKeys.has(keyOf(sameKey)));
    assert.ok(own.names.has(nameKey(subject, subjectKeyId!)));
    assert.deepEqual(ownersOfRoot(rootOf(root)), []);
  });
});
