// Whatever happens in whatever order, is nothing ever published that may not be, and is the end what was declared?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fingerprint } from '../../src/bundle/bundle.ts';
import { readCertificate } from '../../src/bundle/certificate.ts';
import { unreadable } from '../../src/federation/facts.ts';
import type { MeshAnchors, Peer } from '../../src/federation/relationship.ts';
import { objectionTo } from '../../src/istio/candidate.ts';
import { constrainedAnchor } from '../../src/istio/constrained-anchor.ts';
import { parseMeshContent } from '../../src/istio/mesh-content.ts';
import { bundleOf, NORTH, NOW, WEST } from '../federation/samples.ts';
import { accepting, meshPeer, MeshWorld, REF } from './mesh-world.ts';

const MINUTE_MS = 60_000;
const DOWN = unreadable({ code: 'SpireUnavailable', message: 'the socket is gone' }, NOW);
const NAMES = [WEST, NORTH] as const;

/** What the two peers are, what SPIRE holds of them, and what else happens before the next pass. */
const event = fc.record({
  peers: fc.tuple(
    ...NAMES.map(() =>
      fc.option(
        fc.record({
          anchors: fc.constantFrom<MeshAnchors>('SpireSds', 'Constrained', 'Flat', 'None'),
          urgent: fc.boolean(),
          suspend: fc.constantFrom<Peer['suspend']>('Active', 'Active', 'Active', 'Paused', 'Revoke'),
        }),
      ),
    ),
  ),
  roots: fc.tuple(...NAMES.map(() => fc.subarray([0, 1, 2]))),
  afterMs: fc.constantFrom(1, 10_000, MINUTE_MS, 5 * MINUTE_MS),
  mishap: fc.constantFrom('None', 'None', 'None', 'Deleted', 'Edited', 'Restart', 'SpireDown', 'WindowShut'),
});

type Event = typeof event extends fc.Arbitrary<infer E> ? E : never;

function happen(world: MeshWorld, { peers, roots, mishap }: Event): void {
  world.peers = NAMES.flatMap((name, index) => {
    const peer = peers[index];
    return peer === null || peer === undefined
      ? []
      : [meshPeer(name, accepting(peer.anchors, { urgent: peer.urgent }), { suspend: peer.suspend })];
  });
  world.stored = NAMES.flatMap((name, index) => (roots[index]!.length === 0 ? [] : [bundleOf(name, roots[index])]));
  world.facts = mishap === 'SpireDown' ? { stored: DOWN } : {};
  world.limits = { ...world.limits, isListWindowOpen: mishap !== 'WindowShut' };
  if (mishap === 'Restart') world.restart();
  if (mishap === 'Deleted') world.objects.clear();
  if (mishap === 'Edited' && world.text !== undefined) world.edit(REF, { mesh: 'caCertificates: []\n' });
}

function checkText(text: string): void {
  const { content, isOurs } = parseMeshContent(text);
  assert.ok(isOurs);
  assert.equal(objectionTo({ shared: text, base: undefined }, { shared: undefined, base: undefined }), undefined);
  const forms = new Map<string, Set<boolean>>();
  for (const der of content.anchors) {
    const { publicKey, issuer } = readCertificate(der);
    const isAnchor = issuer.includes('federation-broker');
    forms.set(publicKey.fingerprint, (forms.get(publicKey.fingerprint) ?? new Set()).add(isAnchor));
  }
  assert.ok(
    [...forms.values()].every(({ size }) => size === 1),
    'a bare root and an anchor of one key',
  );
}

/** What a peer that can be published, and is not paused, has in the end. */
function expectedAnchors(world: MeshWorld): readonly string[] {
  return world.peers.flatMap(({ trustDomain, suspend, mesh }) => {
    const roots = world.stored.find((bundle) => bundle.trustDomain === trustDomain)?.x509Authorities ?? [];
    if (suspend !== 'Active') return [];
    if (mesh?.anchors === 'Flat') return roots.map(fingerprint);
    return mesh?.anchors === 'Constrained'
      ? roots.map((root) => fingerprint(constrainedAnchor(root, trustDomain)))
      : [];
  });
}

describe('the plan of the mesh', () => {
  it('never writes what may not be, and ends with what is declared, without another write', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 8 }), event, (events, last) => {
        const world = new MeshWorld();
        for (const each of events) {
          happen(world, each);
          const { steps } = world.pass(each.afterMs);
          for (const step of steps) if (step.kind === 'ApplyMeshObject') checkText(step.content.data['mesh']!);
        }
        const hasRoots = last.roots.every((roots) => roots.length > 0);
        const isPaused = last.peers.some((peer) => peer?.suspend === 'Paused');
        happen(world, { ...last, mishap: 'None' });
        // Longer than anything waits for, conflicts included.
        for (let count = 0; count < 4; count += 1) world.pass(11 * MINUTE_MS);
        assert.deepEqual(world.pass(MINUTE_MS).steps, []);
        if (!hasRoots || isPaused) return;
        const listed = world.peers.filter(({ suspend, mesh }) => suspend === 'Active' && mesh?.anchors !== 'None');
        assert.deepEqual(world.content.trustDomains, listed.map(({ trustDomain }) => trustDomain).sort());
        assert.deepEqual(world.content.anchors.map(fingerprint), [...expectedAnchors(world)].sort());
      }),
      { numRuns: 50 },
    );
  });
});
