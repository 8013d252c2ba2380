// Is every root kept out that would stop istiod, or vouch for more than its own trust domain?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Bundle } from '../../src/bundle/bundle.ts';
import { RootIndexer } from '../../src/bundle/known-roots.ts';
import { objectionTo } from '../../src/istio/candidate.ts';
import { serializeMeshContent } from '../../src/istio/mesh-content.ts';
import type { OurRoots } from '../../src/istio/root-collision.ts';
import { goFault, refuseRoots } from '../../src/istio/root-gate.ts';
import { generateKeys, makeCertificate, makeRoot } from '../fakes/fake-ca.ts';
import { bundleOf, EAST, NORTH, NOW, WEST } from '../federation/samples.ts';

const ownKeys = await generateKeys();
const own = await makeRoot(EAST, { keys: ownKeys, subject: 'CN=ours', subjectKeyId: '00112233' });
const ownWithoutKeyId = await makeRoot(EAST, { subject: 'CN=ours of old', hasSubjectKeyId: false });
const istiodKeys = await generateKeys();
const istiodRoot = await makeCertificate({
  isCa: true,
  keys: istiodKeys,
  subject: 'O=cluster.local',
  subjectKeyId: '77',
});
const ours: readonly OurRoots[] = [
  { of: EAST, roots: [own.der, ownWithoutKeyId.der] },
  { of: 'istiod', roots: [istiodRoot.der] },
];
const knownRoots = new RootIndexer().index({ ...bundleOf(EAST), x509Authorities: [own.der] }, [bundleOf(NORTH)]);

function westWith(der: Uint8Array): Bundle {
  return { ...bundleOf(WEST), x509Authorities: [der, ...bundleOf(WEST).x509Authorities] };
}

function codeOf(bundle: Bundle, publishesRoots = true): string | undefined {
  return refuseRoots(bundle, { now: NOW, knownRoots, ours, publishesRoots })?.code;
}

/** The same certificate with other first bytes in its body: version and serial number are the first two values. */
function changed(der: Uint8Array, find: readonly number[], replace: readonly number[]): Uint8Array {
  const text = Buffer.from(der)
    .toString('hex')
    .replace(Buffer.from(find).toString('hex'), Buffer.from(replace).toString('hex'));
  return new Uint8Array(Buffer.from(text, 'hex'));
}

describe('the gate for roots', () => {
  it('lets good ones pass', () => {
    assert.equal(codeOf(bundleOf(WEST, [0, 1, 2])), undefined);
  });

  const bad: readonly (readonly [string, string, () => Promise<Uint8Array>])[] = [
    ['our root', 'RootCollision', () => Promise.resolve(own.der)],
    ['our key', 'RootCollision', async () => (await makeRoot(WEST, { keys: ownKeys })).der],
    [
      'our subject and key id',
      'RootCollision',
      async () => (await makeRoot(WEST, { subject: 'CN=ours', subjectKeyId: '00112233' })).der,
    ],
    [
      'our subject in capitals, and our key id',
      'RootCollision',
      async () => (await makeRoot(WEST, { subject: 'CN=OURS', subjectKeyId: '00112233' })).der,
    ],
    [
      'our subject without a key id, by which Envoy would tell it from ours',
      'RootCollision',
      async () => (await makeRoot(WEST, { subject: 'CN=ours', hasSubjectKeyId: false })).der,
    ],
    [
      'the subject of a root of ours that has no key id',
      'RootCollision',
      async () => (await makeRoot(WEST, { subject: 'CN=ours of old', subjectKeyId: '01' })).der,
    ],
    ['the key of istiod', 'RootCollision', async () => (await makeRoot(WEST, { keys: istiodKeys })).der],
    [
      'the subject and key id of istiod',
      'RootCollision',
      async () => (await makeRoot(WEST, { subject: 'O=cluster.local', subjectKeyId: '77' })).der,
    ],
    ['a root of another peer', 'RootCollision', () => Promise.resolve(bundleOf(NORTH).x509Authorities[0]!)],
    ['a certificate that is no CA', 'RootUnfit', async () => (await makeCertificate()).der],
    ['a root that names another trust domain', 'RootUnfit', async () => (await makeRoot('south.example')).der],
    [
      'a certificate of version 2',
      'RootUnfit',
      async () => changed((await makeRoot(WEST)).der, [0xa0, 3, 2, 1, 2], [0xa0, 3, 2, 1, 1]),
    ],
    ['a negative serial number', 'RootUnfit', () => negativeSerial()],
  ];
  for (const [what, code, make] of bad) {
    it(`refuses ${what}`, async () => {
      assert.equal(codeOf(westWith(await make())), code);
    });
  }

  it('lets a root pass that has our subject and another key id, by which Envoy tells them apart', async () => {
    const { der } = await makeRoot(WEST, { subject: 'CN=ours', subjectKeyId: '445566' });
    assert.equal(codeOf(westWith(der)), undefined);
  });

  it('looks only for collisions where no root is published', async () => {
    assert.equal(codeOf(westWith((await makeCertificate()).der), false), undefined);
    assert.equal(codeOf(westWith(own.der), false), 'RootCollision');
  });

  it('agrees with the simulation of istiod about what keeps it from starting', async () => {
    for (const der of [await negativeSerial(), (await makeCertificate()).der]) {
      const shared = serializeMeshContent({ trustDomains: [], anchors: [der] });
      const objection = objectionTo({ shared, base: undefined }, { shared: undefined, base: undefined });
      assert.equal(objection?.code, 'IstiodWouldNotStart');
    }
    assert.equal(goFault(own.der), undefined);
  });
});

async function negativeSerial(): Promise<Uint8Array> {
  const { der } = await makeRoot(WEST);
  const at = Buffer.from(der).indexOf(Buffer.from([0xa0, 3, 2, 1, 2, 2]));
  const negative = der.slice();
  negative[at + 7] = 0x80 | (negative[at + 7]! & 0x7f);
  return negative;
}
