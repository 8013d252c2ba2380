// Has each gateway the CAs of its one peer, and never an empty or missing object while it is named?
import { meshObjectKey } from '../../src/federation/mesh-objects.ts';
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fingerprint } from '../../src/bundle/bundle.ts';
import { readCertificate } from '../../src/bundle/certificate.ts';
import { known, unreadable } from '../../src/federation/facts.ts';
import type { GatewayCa } from '../../src/federation/relationship.ts';
import { constrainedAnchor } from '../../src/istio/constrained-anchor.ts';
import { certificatesIn } from '../../src/istio/mesh-content.ts';
import { withdrawnAnchor } from '../../src/istio/withdrawn-anchor.ts';
import { bundleOf, NORTH, NOW, ROOTS, WEST } from '../federation/samples.ts';
import { accepting, meshPeer, MeshWorld } from './mesh-world.ts';

const CONFIG_MAP: GatewayCa = { type: 'ConfigMap', name: 'west-ca' };
const SECRET: GatewayCa = { type: 'Secret', namespace: 'edge', credentialName: 'west' };
const CONFIG_MAP_REF = { kind: 'ConfigMap', namespace: 'federation', name: 'west-ca' } as const;
const SECRET_REF = { kind: 'Secret', namespace: 'edge', name: 'west-cacert' } as const;
const WEST_ROOT = ROOTS.get(WEST)![0]!;

function settled(anchors: 'None' | 'SpireSds' | 'Flat' = 'None'): MeshWorld {
  const world = new MeshWorld();
  world.peers = [meshPeer(WEST, accepting(anchors, { gatewayCas: [CONFIG_MAP, SECRET] }))];
  world.stored = [bundleOf(WEST)];
  world.gatewayRefs.push(CONFIG_MAP_REF, SECRET_REF);
  world.pass();
  return world;
}

function certificates(
  world: MeshWorld,
  ref: typeof CONFIG_MAP_REF | typeof SECRET_REF = CONFIG_MAP_REF,
): readonly Uint8Array[] {
  return certificatesIn(world.objects.get(meshObjectKey(ref))?.data['ca.crt'] ?? '');
}

describe('the CA object of a gateway', () => {
  it('has constrained anchors of its peer, in the ConfigMap and in the Secret', () => {
    const world = settled();
    for (const ref of [CONFIG_MAP_REF, SECRET_REF]) {
      assert.deepEqual(certificates(world, ref).map(fingerprint), [fingerprint(constrainedAnchor(WEST_ROOT, WEST))]);
    }
    assert.equal(world.look().plan.peers[0]?.verdict.code, 'AcceptedAtGateways');
    assert.deepEqual(world.pass(1000).steps, []);
    world.restart();
    assert.deepEqual(world.pass(1000).steps, []);
  });

  it('has the bare roots where the peer says Flat', () => {
    assert.deepEqual(certificates(settled('Flat')).map(fingerprint), [fingerprint(WEST_ROOT)]);
  });

  it('of an earlier version, which did not say whose broker it is, is written once more when a peer asks for it', () => {
    const world = settled();
    const before = certificates(world);
    for (const ref of [CONFIG_MAP_REF, SECRET_REF]) world.unclaim(ref);
    world.restart();
    const { steps } = world.pass(1);
    assert.deepEqual(
      steps.map((step) => [step.kind, step.changesRoots]),
      [
        ['ApplyMeshObject', false],
        ['ApplyMeshObject', false],
      ],
    );
    assert.deepEqual(certificates(world), before);
    assert.deepEqual(world.pass(1).steps, []);
  });

  it('of an earlier version, which nobody asks for, stays: it may be that of another broker', () => {
    const world = settled();
    world.unclaim(CONFIG_MAP_REF);
    world.restart();
    world.peers = [];
    for (let passes = 0; passes < 3; passes += 1) world.pass(60_000);
    assert.deepEqual([...world.objects.keys()], [meshObjectKey(CONFIG_MAP_REF)]);
    const [removal] = world.look().plan.removals;
    assert.match(removal!.verdict.message, /stays, since an earlier version made it/);
  });

  it('that the broker of another trust domain keeps is refused, and the message names that broker', () => {
    const world = settled();
    world.put(CONFIG_MAP_REF, world.objects.get(meshObjectKey(CONFIG_MAP_REF))!, {
      ours: false,
      brokerOf: 'south.example',
    });
    world.restart();
    const { steps, peers } = world.pass(1);
    assert.deepEqual(steps, []);
    assert.equal(peers[0]?.verdict.code, 'OwnershipConflict');
    assert.match(peers[0].verdict.message, /kept by the broker of south\.example/);
  });

  it('follows the roots at once', () => {
    const world = settled();
    for (const number of [1, 2]) {
      world.stored = [bundleOf(WEST, [number])];
      world.pass(1);
      assert.deepEqual(certificates(world).map(fingerprint), [
        fingerprint(constrainedAnchor(ROOTS.get(WEST)![number]!, WEST)),
      ]);
    }
  });

  it('stays as it is while roots are missing or the peer is paused, and comes back as it was', () => {
    for (const changes of [
      { stored: [] },
      { peers: settled().peers.map((peer) => ({ ...peer, suspend: 'Paused' as const })) },
    ]) {
      const world = settled();
      const [before] = certificates(world);
      Object.assign(world, changes);
      assert.deepEqual(world.pass(1).steps, []);
      world.objects.delete(meshObjectKey(CONFIG_MAP_REF));
      world.pass(1);
      assert.deepEqual(certificates(world), [before]);
    }
  });

  it('is not made of another peer’s, nor over an object that is not ours', () => {
    const world = settled();
    world.peers = [meshPeer(NORTH, accepting('None', { gatewayCas: [CONFIG_MAP] })), ...world.peers];
    world.stored = [bundleOf(WEST), bundleOf(NORTH)];
    assert.ok(world.pass(1).peers.some(({ verdict }) => verdict.code === 'OwnershipConflict'));

    const other = new MeshWorld();
    other.peers = [meshPeer(WEST, accepting('None', { gatewayCas: [CONFIG_MAP] }))];
    other.stored = [bundleOf(WEST)];
    other.put(CONFIG_MAP_REF, { data: { 'ca.crt': 'theirs' } }, { ours: false, otherManagers: ['helm'] });
    const { steps, peers } = other.pass();
    assert.deepEqual([steps, peers[0]?.verdict.code], [[], 'OwnershipConflict']);
  });

  it('is never made empty, nor made at all, for a peer without roots or without trust', () => {
    for (const suspend of ['Active', 'Paused', 'Revoke'] as const) {
      const world = new MeshWorld();
      world.peers = [meshPeer(WEST, accepting('None', { gatewayCas: [CONFIG_MAP] }), { suspend })];
      world.gatewayRefs.push(CONFIG_MAP_REF);
      assert.deepEqual(world.pass().steps, []);
    }
  });

  it('of a revoked peer keeps its certificates, none of which is valid any more', () => {
    const world = settled();
    world.peers = world.peers.map((peer) => ({ ...peer, suspend: 'Revoke' as const }));
    world.pass(1);
    const [anchor] = certificates(world);
    assert.equal(fingerprint(anchor!), fingerprint(withdrawnAnchor(constrainedAnchor(WEST_ROOT, WEST))));
    assert.ok(readCertificate(anchor!).notAfter < new Date('1971-01-01'));
    assert.deepEqual(world.pass(1).steps, []);
  });
});

describe('a CA object that nobody asks for', () => {
  it('is deleted once no Gateway names it', () => {
    const world = settled();
    world.peers = [meshPeer(WEST, accepting('None', { gatewayCas: [SECRET] }))];
    world.referenced = [meshObjectKey(CONFIG_MAP_REF)];
    const { steps, peers } = world.pass(1);
    assert.deepEqual(steps, []);
    assert.deepEqual(
      peers[0]?.warnings.map(({ code }) => code),
      ['GatewayCaInUse'],
    );
    world.referenced = [];
    world.pass(1);
    assert.deepEqual([...world.objects.keys()], [meshObjectKey(SECRET_REF)]);
  });

  it('stays while it cannot be seen whether one does', () => {
    const world = settled();
    world.peers = [meshPeer(WEST, accepting('None'))];
    world.facts = { referencedCas: unreadable({ code: 'KubeForbidden', message: 'gateways: forbidden' }, NOW) };
    assert.deepEqual(world.pass(1).steps, []);
    assert.equal(certificates(world).length, 1);
  });

  it('of a peer that is gone has no valid certificate while it is still named', () => {
    const world = settled();
    world.peers = [];
    world.referenced = [meshObjectKey(CONFIG_MAP_REF)];
    const { removals } = world.pass(1);
    assert.deepEqual(
      removals.map(({ trustDomain, verdict }) => [trustDomain, verdict.code]),
      [[WEST, 'Leaving']],
    );
    assert.ok(readCertificate(certificates(world)[0]!).notAfter < new Date('1971-01-01'));
    world.pass(1);
    assert.deepEqual([...world.objects.keys()], [meshObjectKey(CONFIG_MAP_REF)]);
  });

  it('stays until the Gateways have been read after it was given up: one may have come that names it', () => {
    const world = settled();
    world.peers = [];
    world.facts = { referencedCas: known(new Set(), world.now) };
    for (const pass of [world.pass(1), world.pass(1)]) {
      assert.ok(pass.steps.every(({ kind }) => kind !== 'DeleteMeshObject'));
    }
    world.facts = {};
    const { steps } = world.pass(1);
    assert.deepEqual([...new Set(steps.map(({ kind }) => kind))], ['DeleteMeshObject']);
  });

  it('stays while declarations are incomplete, and is left alone when it is not ours', () => {
    const world = settled();
    world.peers = [];
    world.incompleteBecause = 'west.yaml cannot be parsed';
    assert.deepEqual(world.pass(1).steps, []);

    const foreign = new MeshWorld();
    foreign.put(CONFIG_MAP_REF, { data: { 'ca.crt': 'theirs' } }, { ours: false });
    assert.deepEqual(foreign.pass().steps, []);
  });
});
