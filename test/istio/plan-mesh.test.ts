// Does the mesh accept exactly the declared peers, and is it written no more often than it must?
import { meshObjectKey } from '../../src/federation/mesh-objects.ts';
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fingerprint } from '../../src/bundle/bundle.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { unreadable } from '../../src/federation/facts.ts';
import { constrainedAnchor } from '../../src/istio/constrained-anchor.ts';
import { bundleOf, EAST, NORTH, NOW, ROOTS, WEST } from '../federation/samples.ts';
import { generateKeys, makeCertificate, makeRoot } from '../fakes/fake-ca.ts';
import { accepting, BASE_REF, meshPeer, MeshWorld, REF } from './mesh-world.ts';

const MINUTE_MS = 60_000;
const DOWN = unreadable({ code: 'SpireUnavailable', message: 'the socket is gone' }, NOW);

function worldOf(changes: Partial<MeshWorld>): MeshWorld {
  return Object.assign(new MeshWorld(), changes);
}

/** West by SPIRE, north by constrained anchors, both in force. */
function settled(): MeshWorld {
  const world = worldOf({
    peers: [meshPeer(WEST, accepting('SpireSds')), meshPeer(NORTH, accepting('Constrained'))],
    stored: [bundleOf(WEST), bundleOf(NORTH)],
  });
  world.pass();
  world.pass(MINUTE_MS);
  world.pass(MINUTE_MS);
  return world;
}

function codes(world: MeshWorld): string[] {
  return world.look().plan.peers.map(({ verdict }) => verdict.code);
}

const anchorsOf = (numbers: readonly number[]) =>
  numbers.map((number) => fingerprint(constrainedAnchor(ROOTS.get(NORTH)![number]!, NORTH))).sort();

describe('what the mesh accepts of a peer', () => {
  it('takes only the name of a peer whose roots SPIRE serves', () => {
    const world = worldOf({
      peers: [meshPeer(WEST, accepting('SpireSds', { urgent: true }))],
      stored: [bundleOf(WEST)],
    });
    world.pass();
    assert.deepEqual(world.content, { trustDomains: [WEST], anchors: [] });
    assert.deepEqual(codes(world), ['AcceptedFromSpire']);
  });

  it('waits for SPIRE’s roots before it lists a name', () => {
    const world = worldOf({ peers: [meshPeer(WEST, accepting('SpireSds', { urgent: true }))] });
    assert.deepEqual(world.pass().steps, []);
    assert.deepEqual(codes(world), ['WaitsForRoots']);
  });

  describe('while the roots of istiod cannot be read', () => {
    const forbidden = unreadable({ code: 'KubeForbidden', message: 'grant verb "get"' }, NOW);

    it('adds nothing of a peer whose roots would stand beside them, and says so', () => {
      for (const form of ['Constrained', 'Flat'] as const) {
        const world = worldOf({
          peers: [meshPeer(WEST, accepting(form, { urgent: true }))],
          stored: [bundleOf(WEST)],
          facts: { meshRoots: forbidden },
        });
        assert.deepEqual(world.pass().steps, []);
        assert.deepEqual(codes(world), ['MeshRootsUnreadable']);
      }
    });

    it('lists a peer whose roots SPIRE keeps apart, and gives gateways their CAs', () => {
      const gatewayCas = [{ type: 'ConfigMap', name: 'north-ca' }] as const;
      const world = worldOf({
        peers: [
          meshPeer(WEST, accepting('SpireSds', { urgent: true })),
          meshPeer(NORTH, accepting('None', { gatewayCas })),
        ],
        stored: [bundleOf(WEST), bundleOf(NORTH)],
        gatewayRefs: [{ kind: 'ConfigMap', namespace: 'federation', name: 'north-ca' }],
        facts: { meshRoots: forbidden },
      });
      assert.equal(world.pass().steps.length, 2);
      assert.deepEqual(codes(world), ['AcceptedAtGateways', 'AcceptedFromSpire']);
    });

    it('gives gateways the CA of a peer that waits for them in mesh config', () => {
      const gatewayCas = [{ type: 'ConfigMap', name: 'west-ca' }] as const;
      const world = worldOf({
        peers: [meshPeer(WEST, accepting('Constrained', { gatewayCas }))],
        stored: [bundleOf(WEST)],
        gatewayRefs: [{ kind: 'ConfigMap', namespace: 'federation', name: 'west-ca' }],
        facts: { meshRoots: forbidden },
      });
      assert.deepEqual(
        world.pass().steps.map(({ ref }) => ref.name),
        ['west-ca'],
      );
      assert.deepEqual(codes(world), ['MeshRootsUnreadable']);
    });

    it('keeps what was published', () => {
      const world = settled();
      const { text } = world;
      world.facts = { meshRoots: forbidden };
      assert.deepEqual(world.pass(MINUTE_MS).steps, []);
      assert.equal(world.text, text);
    });
  });

  it('refuses a root that Envoy would take for one of istiod', async () => {
    const name = 'O=cluster.local';
    const istiod = await makeCertificate({ isCa: true, subject: name, hasSubjectKeyId: false });
    const alike = await makeRoot(WEST, { subject: name });
    const world = worldOf({
      peers: [meshPeer(WEST, accepting('Constrained', { urgent: true }))],
      stored: [{ ...bundleOf(WEST), x509Authorities: [alike.der] }],
      meshRoots: [istiod.der],
    });
    assert.deepEqual(world.pass().steps, []);
    assert.deepEqual(codes(world), ['RootCollision']);
  });

  it('publishes constrained anchors, never the bare roots', () => {
    const world = settled();
    assert.deepEqual(world.content.anchors.map(fingerprint), anchorsOf([0]));
    assert.deepEqual(world.content.trustDomains, [NORTH, WEST]);
    assert.deepEqual(codes(world), ['AcceptedConstrained', 'AcceptedFromSpire']);
  });

  it('publishes bare roots for Flat alone, and warns for ever', () => {
    const world = worldOf({ peers: [meshPeer(WEST, accepting('Flat', { urgent: true }))], stored: [bundleOf(WEST)] });
    world.pass();
    assert.deepEqual(world.content.anchors.map(fingerprint), [fingerprint(ROOTS.get(WEST)![0]!)]);
    const [peer] = world.look().plan.peers;
    assert.deepEqual([peer?.verdict.code, peer?.warnings.map(({ code }) => code)], ['AcceptedFlat', ['FlatRisk']]);
  });

  it('changes bare roots into anchors in one write, so that both are never there together', () => {
    const world = worldOf({ peers: [meshPeer(NORTH, accepting('Flat', { urgent: true }))], stored: [bundleOf(NORTH)] });
    world.pass();
    world.peers = [meshPeer(NORTH, accepting('Constrained'))];
    world.pass(MINUTE_MS);
    assert.deepEqual(world.content.anchors.map(fingerprint), anchorsOf([0]));
  });

  it('says what to choose for a name that cannot be constrained', async () => {
    const name = parseTrustDomain('under_score.example');
    const { der } = await makeRoot(name);
    const bundle = { ...bundleOf(WEST), trustDomain: name, x509Authorities: [der] };
    const world = worldOf({ peers: [meshPeer(name, accepting('Constrained'))], stored: [bundle] });
    const [peer] = world.pass(MINUTE_MS).peers;
    assert.equal(peer?.verdict.code, 'NameNotConstrainable');
    assert.match(peer.verdict.message, /SpireSds/);
    assert.equal(world.text, undefined);
  });

  it('writes nothing for None, and nothing while everything is as it should be', () => {
    const world = worldOf({ peers: [meshPeer(WEST, accepting('None'))], stored: [bundleOf(WEST)] });
    assert.deepEqual(world.pass(MINUTE_MS).steps, []);
    assert.deepEqual(codes(world), ['NotAskedFor']);
    const steady = settled();
    for (const restart of [false, true]) {
      if (restart) steady.restart();
      assert.deepEqual(steady.pass(MINUTE_MS).steps, []);
    }
  });
});

describe('when the mesh is written', () => {
  it('never touches the list when roots rotate', () => {
    const world = settled();
    world.stored = [bundleOf(WEST, [1]), bundleOf(NORTH, [1, 2])];
    const { steps } = world.pass(MINUTE_MS);
    assert.deepEqual(
      steps.map(({ changesList, changesRoots }) => [changesList, changesRoots]),
      [[false, true]],
    );
    assert.deepEqual(world.content.anchors.map(fingerprint), anchorsOf([1, 2]));
  });

  it('makes no more than two writes of fifty rotations in a minute', () => {
    const world = settled();
    const before = world.written.length;
    for (let count = 0; count < 50; count += 1) {
      world.stored = [bundleOf(WEST), bundleOf(NORTH, [count % 3])];
      world.pass(MINUTE_MS / 50);
    }
    assert.ok(world.written.length - before <= 2, String(world.written.length - before));
    world.pass(MINUTE_MS);
    assert.deepEqual(world.content.anchors.map(fingerprint), anchorsOf([49 % 3]));
  });

  it('collects new names for the interval from the first one, into one write', () => {
    const world = worldOf({
      peers: [meshPeer(WEST, accepting('SpireSds'))],
      stored: [bundleOf(WEST), bundleOf(NORTH)],
    });
    const { peers, nextLookAt } = world.pass();
    assert.equal(peers[0]?.verdict.code, 'WaitsForListWindow');
    assert.deepEqual(nextLookAt, new Date(NOW.getTime() + MINUTE_MS));
    world.peers = [...world.peers, meshPeer(NORTH, accepting('SpireSds'))];
    assert.deepEqual(world.pass(MINUTE_MS - 1).steps, []);
    assert.equal(world.pass(1).steps.length, 1);
    assert.deepEqual(world.content.trustDomains, [NORTH, WEST]);
  });

  it('keeps new names back while no window is open, and lets an urgent one take them along', () => {
    const world = worldOf({
      peers: [meshPeer(WEST, accepting('SpireSds'))],
      stored: [bundleOf(WEST), bundleOf(NORTH)],
    });
    world.limits = { ...world.limits, isListWindowOpen: false };
    world.pass();
    assert.deepEqual(world.pass(10 * MINUTE_MS).steps, []);
    world.peers = [...world.peers, meshPeer(NORTH, accepting('SpireSds', { urgent: true }))];
    world.pass();
    assert.deepEqual(world.content.trustDomains, [NORTH, WEST]);
  });

  it('writes the roots of a name no later than the name, whatever was written a moment ago', async () => {
    const world = settled();
    world.stored = [bundleOf(WEST), bundleOf(NORTH, [1])];
    world.pass(MINUTE_MS);
    const south = parseTrustDomain('south.example');
    const { der } = await makeRoot(south);
    world.stored = [...world.stored, { ...bundleOf(WEST), trustDomain: south, x509Authorities: [der] }];
    world.peers = [...world.peers, meshPeer(south, accepting('Flat', { urgent: true }))];
    world.pass(1);
    assert.ok(world.content.trustDomains.includes(south));
    assert.ok(world.content.anchors.some((anchor) => fingerprint(anchor) === fingerprint(der)));
  });
});

describe('how a peer leaves the mesh', () => {
  it('takes the roots at once and the name when the list changes, for a removed declaration and for None', () => {
    for (const left of [[], [meshPeer(NORTH, accepting('None'))]]) {
      const world = settled();
      world.peers = [world.peers[0]!, ...left];
      world.stored = [bundleOf(WEST)];
      world.pass(MINUTE_MS);
      assert.deepEqual(world.content, { trustDomains: [NORTH, WEST], anchors: [] });
      world.pass(MINUTE_MS);
      assert.deepEqual(world.content, { trustDomains: [WEST], anchors: [] });
    }
  });

  it('takes the roots of a revoked peer although others were written a moment ago, and says what lives on', () => {
    const world = settled();
    world.stored = [bundleOf(WEST), bundleOf(NORTH, [1])];
    world.pass(MINUTE_MS);
    world.peers = [world.peers[0]!, meshPeer(NORTH, accepting('Constrained'), { suspend: 'Revoke' })];
    const [peer] = world.pass(1).peers;
    assert.deepEqual(world.content, { trustDomains: [NORTH, WEST], anchors: [] });
    assert.equal(peer?.verdict.code, 'Revoked');
    assert.match(peer.verdict.message, /live on/);
  });

  it('obeys a peer that withdrew all its keys, and only then: a bundle that is missing in SPIRE changes nothing', () => {
    const world = settled();
    world.stored = [];
    assert.deepEqual(world.pass(MINUTE_MS).steps, []);
    assert.deepEqual(codes(world), ['WaitsForRoots', 'WaitsForRoots']);
    world.revoked = [NORTH];
    world.pass();
    assert.deepEqual(world.content.anchors, []);
  });

  it('takes the roots of a revoked peer also where its name became an alias of ours', () => {
    const world = settled();
    world.put(BASE_REF, { data: { mesh: `trustDomainAliases: ["${NORTH}"]\n` } }, { ours: false });
    world.peers = [world.peers[0]!, meshPeer(NORTH, accepting('Constrained'), { suspend: 'Revoke' })];
    world.pass(1);
    assert.deepEqual(world.content.anchors, []);
  });

  it('removes nothing while declarations are incomplete, or facts unreadable, or the peer is paused', () => {
    const incomplete = settled();
    incomplete.peers = [];
    incomplete.incompleteBecause = 'west.yaml cannot be parsed';
    assert.deepEqual(incomplete.pass(MINUTE_MS).steps, []);
    assert.deepEqual(
      incomplete.pass(MINUTE_MS).removals.map(({ verdict }) => verdict.code),
      ['DeclarationsUnreadable', 'DeclarationsUnreadable'],
    );

    for (const facts of [{ stored: DOWN }, { declared: DOWN }, { ownBundle: DOWN }]) {
      const world = settled();
      world.stored = [bundleOf(NORTH, [2])];
      world.facts = facts;
      assert.deepEqual(world.pass(MINUTE_MS).steps, [], Object.keys(facts)[0]);
    }

    const paused = settled();
    paused.peers = paused.peers.map((peer) => ({ ...peer, suspend: 'Paused' as const }));
    paused.stored = [bundleOf(NORTH, [2])];
    assert.deepEqual(paused.pass(MINUTE_MS).steps, []);
    assert.deepEqual(codes(paused), ['Paused', 'Paused']);
  });
});

describe('a peer that may not be published', () => {
  const collisions = {
    'one of our roots': () => Promise.resolve(bundleOf(EAST).x509Authorities[0]!),
    'a root of another peer': () => Promise.resolve(bundleOf(WEST).x509Authorities[0]!),
  };
  for (const [what, make] of Object.entries(collisions)) {
    it(`keeps what it had when its new bundle has ${what}, and the others go on`, async () => {
      const world = settled();
      const text = world.text;
      world.stored = [bundleOf(WEST), { ...bundleOf(NORTH), x509Authorities: [await make()] }];
      world.pass(MINUTE_MS);
      assert.equal(world.text, text);
      assert.ok(codes(world).includes('RootCollision'));
    });
  }

  it('is refused for a certificate that is no CA', async () => {
    const world = settled();
    const text = world.text;
    const { der } = await makeCertificate({ isCa: false });
    world.stored = [bundleOf(WEST), { ...bundleOf(NORTH), x509Authorities: [der] }];
    world.pass(MINUTE_MS);
    assert.equal(world.text, text);
    assert.deepEqual(codes(world), ['RootUnfit', 'AcceptedFromSpire']);
  });

  it('is refused while its name is an alias of ours', () => {
    const world = worldOf({
      peers: [meshPeer(WEST, accepting('SpireSds', { urgent: true }))],
      stored: [bundleOf(WEST)],
    });
    world.put(BASE_REF, { data: { mesh: `trustDomainAliases: ["${WEST}"]\n` } }, { ours: false });
    assert.deepEqual(world.pass().steps, []);
    assert.deepEqual(codes(world), ['TrustDomainIsAlias']);
  });

  it('is refused, and those before it stay, when there would be more than 300 roots', async () => {
    const keys = await generateKeys();
    const roots = await Promise.all(Array.from({ length: 299 }, () => makeRoot(WEST, { subject: 'CN=west', keys })));
    const many = { ...bundleOf(WEST), x509Authorities: roots.map(({ der }) => der) };
    const world = worldOf({
      peers: [meshPeer(WEST, accepting('Flat', { urgent: true }))],
      stored: [many, bundleOf(NORTH, [0, 1])],
    });
    world.pass();
    world.peers = [meshPeer(NORTH, accepting('Constrained', { urgent: true })), ...world.peers];
    world.pass(MINUTE_MS);
    assert.deepEqual(codes(world), ['MeshBudgetExceeded', 'AcceptedFlat']);
    assert.deepEqual([world.content.trustDomains, world.content.anchors.length], [[WEST], 299]);
  });
});

describe('certificates that do not go together', () => {
  it('refuses a key that is still published for a peer SPIRE holds nothing of', async () => {
    const keys = await generateKeys();
    const [first, second] = await Promise.all([1, 2].map(() => makeRoot(NORTH, { keys, uris: [] })));
    const world = settled();
    world.stored = [bundleOf(WEST), { ...bundleOf(NORTH), x509Authorities: [first!.der] }];
    world.pass(MINUTE_MS);
    const text = world.text;
    world.peers = [meshPeer(WEST, accepting('Flat', { urgent: true })), world.peers[1]!];
    world.stored = [{ ...bundleOf(WEST), x509Authorities: [second!.der] }];
    world.pass(MINUTE_MS);
    assert.equal(world.text, text);
    assert.deepEqual(codes(world), ['WaitsForRoots', 'RootCollision']);
  });

  it('refuses names of CAs that would fill the handshake, and keeps those before them', async () => {
    const keys = await generateKeys();
    const long = (name: string, index: number) =>
      `O=${name.repeat(60)},L=${name.repeat(60)},OU=${name.repeat(60)},CN=${index}`;
    const roots = (name: string, count: number) =>
      Promise.all(
        Array.from({ length: count }, (_, index) => makeRoot(WEST, { uris: [], keys, subject: long(name, index) })),
      );
    const world = worldOf({ peers: [meshPeer(WEST, accepting('Flat', { urgent: true }))] });
    world.stored = [{ ...bundleOf(WEST), x509Authorities: (await roots('w', 150)).map(({ der }) => der) }];
    world.pass();
    assert.equal(world.content.anchors.length, 150);
    world.stored = [{ ...bundleOf(WEST), x509Authorities: (await roots('w', 280)).map(({ der }) => der) }];
    world.pass(MINUTE_MS);
    assert.equal(world.content.anchors.length, 150);
    const [peer] = world.look().plan.peers;
    assert.deepEqual(
      [peer?.verdict.code, peer?.warnings.map(({ code }) => code)],
      ['MeshBudgetExceeded', ['FlatRisk', 'BudgetNear']],
    );
  });
});

describe('an object that others touch', () => {
  it('writes a deleted object again at once, with the same bytes, also while nothing can be read', () => {
    for (const facts of [{}, { stored: DOWN, declared: DOWN, ownBundle: DOWN }]) {
      const world = settled();
      const text = world.text;
      world.objects.clear();
      world.facts = facts;
      world.pass(1);
      assert.equal(world.text, text);
    }
  });

  it('takes an edited object back three times, then stops, names who it was, and tries again later', () => {
    const world = settled();
    const text = world.text;
    for (let count = 0; count < 3; count += 1) {
      world.edit(REF, { mesh: 'caCertificates: []\n' });
      const { steps } = world.pass(1000);
      assert.deepEqual(
        steps.map((step) => step.kind === 'ApplyMeshObject' && step.takeBack),
        [true],
      );
      assert.equal(world.text, text);
    }
    world.edit(REF, { mesh: 'caCertificates: []\n' });
    const { steps, peers, nextLookAt } = world.pass(1000);
    assert.deepEqual(steps, []);
    assert.equal(peers[0]?.verdict.code, 'OwnershipConflict');
    assert.match(peers[0].verdict.message, /helm/);
    assert.ok(nextLookAt !== undefined);
    world.pass(nextLookAt.getTime() - world.now.getTime());
    assert.equal(world.text, text);
  });

  it('restores after a restart what its record and the facts say, without what others added', () => {
    const world = settled();
    const text = world.text!;
    world.restart();
    world.edit(REF, { mesh: `${text}  - trustDomains: ["evil.example"]\n` });
    world.pass();
    assert.equal(world.text, text);
  });

  it('writes again what somebody took out without leaving a name, and takes nothing for lost that cannot be read', () => {
    const world = settled();
    const text = world.text;
    world.edit(REF, { mesh: 'caCertificates: []\n' });
    const object = world.objects.get(meshObjectKey(REF))!;
    world.put(REF, object, { ...object, otherManagers: [] });
    world.facts = { stored: DOWN, declared: DOWN, ownBundle: DOWN };
    world.pass(1);
    assert.equal(world.text, text);
  });

  it('never touches an object that is not ours', () => {
    const world = worldOf({
      peers: [meshPeer(WEST, accepting('SpireSds', { urgent: true }))],
      stored: [bundleOf(WEST)],
    });
    world.put(REF, { data: { mesh: '{}' } }, { ours: false, otherManagers: ['argocd-controller'] });
    const { steps, peers } = world.pass();
    assert.deepEqual(steps, []);
    assert.equal(peers[0]?.verdict.code, 'OwnershipConflict');
    assert.match(peers[0].verdict.message, /argocd-controller/);
  });

  it('writes what an earlier version left once more, so that it says whose broker it is', () => {
    const world = settled();
    const { text } = world;
    world.unclaim(REF);
    world.restart();
    const { steps } = world.pass(1);
    assert.deepEqual(
      steps.map(({ kind, changesList, changesRoots }) => [kind, changesList, changesRoots]),
      [['ApplyMeshObject', false, false]],
    );
    assert.equal(world.text, text);
    assert.equal(world.objects.get(meshObjectKey(REF))?.brokerOf, EAST);
    assert.deepEqual(world.pass(1).steps, []);
  });

  it('never touches the object of the broker of another trust domain, and names that broker', () => {
    const world = settled();
    world.put(REF, world.objects.get(meshObjectKey(REF))!, { ours: false, brokerOf: 'south.example' });
    world.restart();
    const { steps, peers } = world.pass();
    assert.deepEqual(steps, []);
    assert.equal(peers[0]?.verdict.code, 'OwnershipConflict');
    assert.match(peers[0].verdict.message, /kept by the broker of south\.example/);
  });

  it('does not take its own write for an edit before the object was seen anew', () => {
    const world = settled();
    world.edit(REF, { mesh: 'caCertificates: []\n' });
    const stale = world.fact(REF);
    world.pass(1000);
    world.facts = { shared: [{ revision: 'default', ref: REF, object: stale, base: undefined }] };
    assert.deepEqual(world.pass(1).steps, []);
  });

  it('adds nothing where istiod’s own ConfigMap hides it, and still takes roots away', () => {
    const world = settled();
    world.put(BASE_REF, { data: { mesh: 'caCertificates: []\n' } }, { ours: false });
    assert.deepEqual(codes(world), ['BaseSetsCaCertificates', 'BaseSetsCaCertificates']);
    world.stored = [bundleOf(WEST), bundleOf(NORTH, [1])];
    assert.deepEqual(world.pass(MINUTE_MS).steps, []);
    assert.deepEqual(codes(world), ['BaseSetsCaCertificates', 'BaseSetsCaCertificates']);
    world.peers = [world.peers[0]!];
    world.pass(MINUTE_MS);
    assert.deepEqual(world.content.anchors, []);
  });
});
