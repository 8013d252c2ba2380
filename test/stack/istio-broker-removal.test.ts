// How does a peer leave the mesh? Its roots first, its name when the list changes; and what a sudden end of trust does.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { parseMeshContent } from '../../src/istio/mesh-content.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { startHeldTrustDomain, type HeldTrustDomain } from './harness/held-trust-domain.ts';
import { startMeshSide, type MeshSide } from './harness/mesh-side.ts';
import { startMeshWorkload, type MeshWorkload } from './harness/mesh-workload.ts';

const NORTH = parseTrustDomain('north.test');
const SOUTH = parseTrustDomain('south.test');
const CONSTRAINED = { istio: { anchors: 'Constrained' } };
/** Two lists are written no sooner after each other than this. */
const LIST_INTERVAL_SECONDS = 4;

describe('a peer that leaves the mesh', () => {
  const cleanup = new Cleanup();
  let east: MeshSide;
  let north: HeldTrustDomain;
  let south: HeldTrustDomain;
  let orders: MeshWorkload;

  before(async () => {
    [east, north, south] = await Promise.all([
      startMeshSide(cleanup, 'east.test', { flags: { 'istio-list-interval-seconds': LIST_INTERVAL_SECONDS } }),
      startHeldTrustDomain(cleanup, NORTH),
      startHeldTrustDomain(cleanup, SOUTH),
    ]);
    orders = await startMeshWorkload(cleanup, east);
  });
  after(() => cleanup.run());

  const workload = (peer: HeldTrustDomain) => peer.leaf(`spiffe://${peer.trustDomain}/workload`);
  const contents = () =>
    east.written.versions.flatMap(({ object, atMs }) =>
      object === undefined ? [] : [{ atMs, ...parseMeshContent(object.data?.['mesh'] ?? '').content }],
    );

  it('came with others in one write of the list', async () => {
    await Promise.all([
      east.apply('north', { ...north.declaration, ...CONSTRAINED }),
      east.apply('south', { ...south.declaration, ...CONSTRAINED }),
    ]);
    assert.match(await east.waitForMesh('north', 'WaitsForListWindow'), /list/);
    for (const name of ['north', 'south']) await east.waitForMesh(name, 'AcceptedConstrained');
    // Roots may come before the names.
    const lists = new Set(contents().map(({ trustDomains }) => trustDomains.join(' ')));
    assert.deepEqual([...lists].filter(Boolean), [`${NORTH} ${SOUTH}`]);
    for (const peer of [north, south]) await orders.waitUntilAccepted(await workload(peer));
    assert.equal(orders.sidecar.listenerWrites(), 2);
  });

  it('loses its roots at once when trust is revoked; open connections live on, and the status says so', async () => {
    const stream = await orders.hold(await workload(north));
    const bytes = await stream.exchange();
    await east.apply('north', { ...north.declaration, ...CONSTRAINED, suspend: 'Revoke' });
    const message = await east.waitForMesh('north', 'Revoked');
    assert.match(message, /ConnectionsLiveOn: .*those that are open live on/);
    await orders.waitUntilRefused(await workload(north));
    assert.deepEqual(east.published(), { names: [NORTH, SOUTH], anchors: 1 });
    assert.ok((await stream.exchange()) > bytes, 'the stream carries on');
    assert.equal(await orders.accepts(await workload(south)), true);
    assert.equal(orders.sidecar.listenerWrites(), 2);
  });

  it('loses its roots first and its name later when its declaration is removed', async (context) => {
    await eventually('the name of the other is gone', () => east.published().names.join() === SOUTH);
    const before = contents().length;
    await east.remove('south');
    await eventually('its name is off the list', () => !east.published().names.includes(SOUTH));
    const steps = contents().slice(before);
    const withoutRoots = steps.findIndex(({ anchors }) => anchors.length === 0);
    const withoutName = steps.findIndex(({ trustDomains }) => !trustDomains.includes(SOUTH));
    assert.ok(withoutRoots < withoutName, JSON.stringify(steps.map(({ trustDomains }) => trustDomains)));
    const laterMs = steps[withoutName]!.atMs - steps[withoutRoots]!.atMs;
    context.diagnostic(`the name went ${laterMs.toFixed(0)} ms after the roots`);
    assert.ok(laterMs > (LIST_INTERVAL_SECONDS * 1_000) / 2);
    assert.equal(await orders.accepts(await workload(south)), false);
    await eventually('the declaration is let go', async () => (await east.object('south')) === undefined);
  });
});
