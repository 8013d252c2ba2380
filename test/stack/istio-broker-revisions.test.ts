// Does every revision of istiod get its ConfigMap, and is it seen when one does not use it?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parseTrustDomain, type TrustDomain } from '../../src/bundle/trust-domain.ts';
import { parseMeshContent } from '../../src/istio/mesh-content.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { startHeldTrustDomain } from './harness/held-trust-domain.ts';
import { startMeshSide, type MeshSide, type Revision } from './harness/mesh-side.ts';
import { ISTIO_NAMESPACE, writeMesh } from './harness/write-mesh.ts';

const PEERS = ['north', 'south', 'west'] as const;
const LIST_INTERVAL_SECONDS = 4;

describe('two revisions of istiod', () => {
  const cleanup = new Cleanup();
  let east: MeshSide;

  before(async () => {
    const flags = { 'istio-list-interval-seconds': LIST_INTERVAL_SECONDS };
    east = await startMeshSide(cleanup, 'east.test', { revisions: ['default', 'canary'], flags });
  });
  after(() => cleanup.run());

  const meshText = ({ written }: Revision) => written.current()?.data?.['mesh'];
  const namesIn = (text = ''): readonly TrustDomain[] => parseMeshContent(text).content.trustDomains;

  it('have a ConfigMap each with the same bytes, and three peers came in one write of each list', async () => {
    const held = await Promise.all(
      PEERS.map((name) => startHeldTrustDomain(cleanup, parseTrustDomain(`${name}.test`))),
    );
    const istio = { anchors: 'Constrained' };
    await Promise.all(PEERS.map((name, index) => east.apply(name, { ...held[index]!.declaration, istio })));
    for (const name of PEERS) await east.waitForMesh(name, 'AcceptedConstrained');
    const [first, canary] = east.revisions.map(meshText);
    assert.equal(first, canary);
    for (const { written, istiod } of east.revisions) {
      const lists = written.versions.map(({ object }) => namesIn(object?.data?.['mesh']).join(' '));
      const changed = lists.filter((list, index) => list !== lists[index - 1] && list !== '');
      assert.deepEqual(changed, ['north.test south.test west.test']);
      assert.equal(istiod.current().sanPrefixes.length, 1 + PEERS.length);
    }
  });

  it('are each restored by themselves', async () => {
    const [first, canary] = east.revisions as [Revision, Revision];
    const [text, changes] = [meshText(canary), first.written.changes()];
    await east.kube.kubectl(['delete', 'configmap', 'istio-federation-canary', `--namespace=${ISTIO_NAMESPACE}`]);
    await eventually(
      'that of the canary is there again',
      () => canary.written.changes() > 1 && meshText(canary) === text,
    );
    assert.equal(first.written.changes(), changes);
  });

  it('make the condition say so when the base of one sets caCertificates itself, which hides ours', async () => {
    await writeMesh(east.kube, 'istio-canary', 'trustDomain: east.test\ncaCertificates: []\n');
    assert.match(await east.waitForMesh('north', 'BaseSetsCaCertificates'), /caCertificates/);
    await writeMesh(east.kube, 'istio-canary', 'trustDomain: east.test\n');
    await east.waitForMesh('north', 'AcceptedConstrained');
  });
});
