// Does every revision of istiod get its ConfigMap, and is it seen when one does not use it?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { parseTrustDomain, type TrustDomain } from '../../src/bundle/trust-domain.ts';
import { parseMeshContent } from '../../src/istio/mesh-content.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { startHeldTrustDomain } from './harness/held-trust-domain.ts';
import { startMeshSide, type MeshSide, type Revision } from './harness/mesh-side.ts';
import { ISTIO_NAMESPACE, writeMesh } from './harness/write-mesh.ts';

const PEERS = ['north', 'south', 'west'] as const;
const LIST_INTERVAL_SECONDS = 4;
const VANISHED_SECONDS = 10;
const OF_CANARY = ['deployment', 'istiod-canary', `--namespace=${ISTIO_NAMESPACE}`];

describe('two revisions of istiod', () => {
  const cleanup = new Cleanup();
  let east: MeshSide;

  before(async () => {
    const flags = {
      'istio-list-interval-seconds': LIST_INTERVAL_SECONDS,
      'istio-vanished-revision-seconds': VANISHED_SECONDS,
    };
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
      await eventually('its proxies are told of all', () => istiod.current().sanPrefixes.length === 1 + PEERS.length);
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

  it('keep their ConfigMaps while no istiod at all is to be seen', async () => {
    const [first, canary] = east.revisions as [Revision, Revision];
    const changes = [first.written.changes(), canary.written.changes()];
    const label = (value: string) =>
      east.kube.kubectl([
        'label',
        'deployments',
        '--all',
        '--overwrite',
        `app=${value}`,
        `--namespace=${ISTIO_NAMESPACE}`,
      ]);
    await label('another');
    await pause(2 * VANISHED_SECONDS * 1_000);
    await label('istiod');
    assert.deepEqual([first.written.changes(), canary.written.changes()], changes);
  });

  it('lose the ConfigMap of one whose istiod is gone, after a while and no other, and get it back with the istiod', async (context) => {
    const [first, canary] = east.revisions as [Revision, Revision];
    const [text, changes] = [meshText(canary), first.written.changes()];
    const deployment = await east.kube.kubectl(['get', ...OF_CANARY, '--output=json']);
    const goneAtMs = performance.now();
    await east.kube.kubectl(['delete', ...OF_CANARY]);
    await eventually('it is gone', () => canary.written.current() === undefined, { timeoutMs: 60_000 });
    const laterMs = performance.now() - goneAtMs;
    context.diagnostic(`deleted ${laterMs.toFixed(0)} ms later`);
    assert.ok(laterMs >= VANISHED_SECONDS * 1_000);
    assert.equal(first.written.changes(), changes);
    await east.waitForMesh('north', 'AcceptedConstrained');
    await east.kube.kubectl(['create', '--filename=-'], { input: withoutHistory(deployment) });
    await eventually('it is there again', () => meshText(canary) === text, { timeoutMs: 60_000 });
    await east.waitForMesh('north', 'AcceptedConstrained');
  });
});

function withoutHistory(json: string): string {
  const { apiVersion, kind, metadata, spec } = JSON.parse(json) as {
    readonly [field: string]: object;
    readonly metadata: { readonly name: string; readonly namespace: string; readonly labels: object };
  };
  const { name, namespace, labels } = metadata;
  return JSON.stringify({ apiVersion, kind, metadata: { name, namespace, labels }, spec });
}
