// Does the broker keep its ConfigMap as it is, whoever deletes or edits it, and across a crash of its own?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { makeRoot } from '../fakes/fake-ca.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { startHeldTrustDomain, type HeldTrustDomain } from './harness/held-trust-domain.ts';
import { conditionOf } from './harness/kube-side.ts';
import { startMeshSide, type MeshSide } from './harness/mesh-side.ts';
import { startMeshWorkload, type MeshWorkload } from './harness/mesh-workload.ts';
import { ISTIO_NAMESPACE } from './harness/write-mesh.ts';

const EAST = 'east.test';
const NORTH = parseTrustDomain('north.test');
const CONSTRAINED = { istio: { anchors: 'Constrained' } };
const CONFIG_MAP = 'istio-federation';
const RESTORED_WITHIN_MS = 2_000;
/** As the broker has it. */
const MAX_FLIPS = 3;
const DOWN_MS = 5_000;

describe('the ConfigMap that a broker keeps for istiod', () => {
  const cleanup = new Cleanup();
  let east: MeshSide;
  let north: HeldTrustDomain;
  let orders: MeshWorkload;

  before(async () => {
    [east, north] = await Promise.all([startMeshSide(cleanup, EAST), startHeldTrustDomain(cleanup, NORTH)]);
    orders = await startMeshWorkload(cleanup, east);
    await east.apply('north', { ...north.declaration, ...CONSTRAINED });
    await east.waitForMesh('north', 'AcceptedConstrained');
    await orders.waitUntilAccepted(await workload());
  });
  after(() => cleanup.run());

  const workload = () => north.leaf(`spiffe://${NORTH}/workload`);
  const meshText = () => east.written.current()?.data?.['mesh'];

  /** What `helm upgrade` with a chart of that name would do. */
  async function editAs(manager: string, mesh: string): Promise<void> {
    const metadata = { name: CONFIG_MAP, namespace: ISTIO_NAMESPACE };
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { mesh } });
    const as = ['--server-side', '--force-conflicts', `--field-manager=${manager}`];
    await east.kube.kubectl(['apply', ...as, '--filename=-'], { input });
  }

  /** How long it took from the change, the version of that number, until the text was there again. */
  async function restored(change: number, text: string): Promise<number> {
    const version = await eventually('the ConfigMap is as it was', () =>
      east.written.versions.slice(change + 1).find(({ object }) => object?.data?.['mesh'] === text),
    );
    return version.atMs - east.written.versions[change]!.atMs;
  }

  it('is as it was when the peer’s endpoint is down for a while, and when it is back', async () => {
    const [text, changes] = [meshText(), east.written.changes()];
    north.answer((_request, response) => response.destroy());
    await east.waitForObject('north', (object) => conditionOf(object, 'BundleFetched')?.status === 'False');
    await pause(DOWN_MS);
    assert.equal(await orders.accepts(await workload()), true);
    north.publish();
    await east.waitForObject('north');
    assert.deepEqual([meshText(), east.written.changes()], [text, changes]);
  });

  it('is not written again when the broker is killed and starts anew', async () => {
    const { resourceVersion } = east.written.current()!.metadata;
    await east.broker.kill();
    await east.broker.restart();
    await east.broker.waitForPeer(NORTH);
    await eventually('the broker has looked at the mesh', async () => {
      const peer = await east.broker.peer(NORTH);
      return peer?.conditions.some(({ type, status }) => type === 'MeshInjected' && status === 'True');
    });
    assert.equal(east.written.current()?.metadata.resourceVersion, resourceVersion);
  });

  it('gets what was lost when the broker is killed between SPIRE’s bundle and the mesh', async () => {
    const [text, changes] = [meshText(), east.written.changes()];
    await east.broker.kill();
    await east.kube.kubectl(['delete', 'configmap', CONFIG_MAP, `--namespace=${ISTIO_NAMESPACE}`]);
    await east.broker.restart();
    await eventually('the ConfigMap is there', () => meshText() === text);
    await east.waitForMesh('north', 'AcceptedConstrained');
    assert.equal(east.written.changes(), changes + 2);
  });

  it(`is back within ${RESTORED_WITHIN_MS} ms, byte for byte, when somebody deletes it`, async (context) => {
    const text = meshText()!;
    const change = east.written.versions.length;
    await east.kube.kubectl(['delete', 'configmap', CONFIG_MAP, `--namespace=${ISTIO_NAMESPACE}`]);
    const tookMs = await restored(change, text);
    context.diagnostic(`it was back after ${tookMs.toFixed(0)} ms`);
    assert.equal(east.written.versions[change]?.object, undefined);
    assert.ok(tookMs < RESTORED_WITHIN_MS, `${tookMs} ms`);
    await orders.waitUntilAccepted(await workload());
  });

  it('is taken back from another manager, and after three times left alone with a condition that names it', async (context) => {
    const text = meshText()!;
    // The deletion above counts.
    for (let flips = 1; flips < MAX_FLIPS; flips++) {
      const change = east.written.versions.length;
      await editAs('helm', `caCertificates: [] # ${flips}\n`);
      context.diagnostic(`it was back after ${(await restored(change, text)).toFixed(0)} ms`);
    }
    await editAs('helm', 'caCertificates: []\n');
    assert.match(await east.waitForMesh('north', 'OwnershipConflict'), /helm changed the object 3 times/);
    const changes = east.written.changes();
    north.publish([north.root.der, (await makeRoot(NORTH)).der]);
    await east.waitForObject('north', ({ status }) => status?.bundle?.sequence === '3');
    await pause(DOWN_MS);
    assert.equal(east.written.changes(), changes);
    assert.equal(meshText(), 'caCertificates: []\n');
  });
});
