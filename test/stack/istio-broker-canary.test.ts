// Does a broker write for one revision of istiod first, and for the others only when that one has taken it up?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { parseMeshContent } from '../../src/istio/mesh-content.ts';
import { makeRoot } from '../fakes/fake-ca.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { startHeldTrustDomain, type HeldTrustDomain } from './harness/held-trust-domain.ts';
import { startMeshSide, type MeshSide, type Revision } from './harness/mesh-side.ts';
import { writeMesh } from './harness/write-mesh.ts';

const SOAK_SECONDS = 4;
const BASE = 'trustDomain: east.test\n';

describe('a revision of istiod that goes first', () => {
  const cleanup = new Cleanup();
  let east: MeshSide;
  let north: HeldTrustDomain;
  let first: Revision;
  let other: Revision;

  before(async () => {
    const flags = { 'istio-canary-revision': 'canary', 'istio-canary-soak-seconds': SOAK_SECONDS };
    [east, north] = await Promise.all([
      startMeshSide(cleanup, 'east.test', { revisions: ['canary', 'default'], flags }),
      startHeldTrustDomain(cleanup, parseTrustDomain('north.test')),
    ]);
    [first, other] = east.revisions as [Revision, Revision];
  });
  after(() => cleanup.run());

  const anchorsIn = (text = '') => parseMeshContent(text).content.anchors.length;
  /** When a ConfigMap had that many roots first. */
  const whenIt = ({ written }: Revision, anchors: number) =>
    eventually(
      `there are ${anchors} roots`,
      () => written.versions.find(({ object }) => anchorsIn(object?.data?.['mesh']) === anchors)?.atMs,
    );

  it('has a new peer before the others, and the condition says what these wait for', async (context) => {
    await east.apply('north', { ...north.declaration, istio: { anchors: 'Constrained' } });
    assert.match(await east.waitForMesh('north', 'WaitsForCanary'), /revision canary of istiod/);
    assert.equal(other.written.current(), undefined);
    await east.waitForMesh('north', 'AcceptedConstrained');
    const laterMs = (await whenIt(other, 1)) - (await whenIt(first, 1));
    context.diagnostic(`${laterMs.toFixed(0)} ms later`);
    assert.ok(laterMs >= SOAK_SECONDS * 1_000, `${laterMs} ms`);
    assert.equal(other.written.changes(), 1);
    // An istiod waits for more of the same before it tells its proxies.
    await eventually('both tell their proxies the same', () => {
      assert.deepEqual(other.istiod.current().sanPrefixes, first.istiod.current().sanPrefixes);
      return true;
    });
  });

  it('keeps a root from the others while its istiod does not use it', async () => {
    await writeMesh(east.kube, 'istio-canary', `${BASE}caCertificates: []\n`);
    await east.waitForMesh('north', 'BaseSetsCaCertificates');
    const written = other.written.changes();
    north.publish([north.root.der, (await makeRoot(north.trustDomain)).der]);
    await east.waitForObject('north', ({ status }) => status?.bundle?.sequence === '2');
    await pause(2 * SOAK_SECONDS * 1_000);
    assert.equal(other.written.changes(), written);
    await writeMesh(east.kube, 'istio-canary', BASE);
    await east.waitForMesh('north', 'AcceptedConstrained');
    assert.ok((await whenIt(other, 2)) - (await whenIt(first, 2)) >= SOAK_SECONDS * 1_000);
  });

  it('loses a withdrawn root together with the others', async (context) => {
    north.publish();
    const gone = async ({ written }: Revision) =>
      eventually('it is gone', () => {
        const last = written.versions.at(-1);
        return anchorsIn(last?.object?.data?.['mesh']) === 1 ? last?.atMs : undefined;
      });
    const laterMs = (await gone(other)) - (await gone(first));
    context.diagnostic(`${laterMs.toFixed(0)} ms later`);
    assert.ok(laterMs < SOAK_SECONDS * 500, `${laterMs} ms`);
  });
});
