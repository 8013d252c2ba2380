// Does anything suspicious stop at our door, with evidence, and can it be let in, refused, cut off and restored? A
// hostile endpoint over real TLS, an embedded SPIRE over its real API.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { bundleDigest, fingerprint } from '../../src/bundle/bundle.ts';
import { pinOfCertificate } from '../../src/bundle/spki-pin.ts';
import { createBundleSource } from '../../src/bundle-endpoint/fetch-bundle.ts';
import { systemClock } from '../../src/federation/clock.ts';
import type { PeerPolicy } from '../../src/federation/relationship.ts';
import { inspectText } from '../../src/cli/inspect.ts';
import { makeRoot, makeSvid } from '../fakes/fake-ca.ts';
import { startEndpoint, type FakeEndpoint } from '../fakes/hostile-endpoint.ts';
import { EAST, peerOf, POLICY, WEST } from '../federation/samples.ts';
import {
  documentOf,
  FETCH_LIMITS,
  makeWestRoots,
  startHostileScene,
  WEST_ID,
  westBundle,
  type WestRoots,
} from './hostile-scene.ts';
import { readiness, startSide, until } from './side.ts';

let west: WestRoots;
before(async () => {
  west = await makeWestRoots();
});

const startScene = (policy: Partial<PeerPolicy> = {}) => startHostileScene(west, { policy });

describe('a hostile endpoint', () => {
  it('that shows something else each time leaves eight traces, the first among them', async () => {
    const scene = await startScene({ onLargeChange: 'Hold', largeChange: { added: 1, removed: 1 } });
    try {
      const roots = await Promise.all(Array.from({ length: 10 }, () => makeRoot(WEST)));
      const digests: string[] = [];
      for (const [index, root] of roots.entries()) {
        const bundle = westBundle([west.good, root], BigInt(8 + index));
        digests.push(bundleDigest(bundle));
        scene.serve(documentOf(bundle));
        await until('seen', () => scene.west()?.evidence[0]?.bundle?.digest === digests.at(-1));
      }
      const kept = scene.west()!.evidence.map(({ bundle }) => bundle?.digest);
      assert.deepEqual(kept, [...digests.slice(-7).reverse(), digests[0]]);
    } finally {
      await scene.stop();
    }
  });
});

describe('held content', () => {
  const policy = { onDisjointRoots: 'Hold' } as const;

  it('is accepted when an operator names its digest', async () => {
    const scene = await startScene(policy);
    try {
      const bundle = westBundle([west.next], 8n);
      scene.serve(documentOf(bundle));
      await until('held', () => scene.west()?.evidence[0]);
      // The endpoint goes on with its old certificate: it is by the root that is held that it must prove itself.
      scene.declare({ acceptDigest: bundleDigest(bundle) });
      await until('SPIRE holds it', async () => (await scene.rootsInSpire())[0] === fingerprint(west.next.der));
      await until('the evidence says so', () => scene.west()?.evidence[0]?.state === 'Accepted');
    } finally {
      await scene.stop();
    }
  });

  it('stays out when its digest is rejected, also when policy would accept it', async () => {
    const scene = await startScene(policy);
    try {
      const bundle = westBundle([west.next], 8n);
      scene.serve(documentOf(bundle));
      await until('held', () => scene.west()?.evidence[0]);
      scene.declare({ rejectDigests: [bundleDigest(bundle)], policy: POLICY });
      await until('refused', () => scene.west()?.verdict?.reason === 'RejectedByOperator');
      assert.equal(scene.west()?.evidence[0]?.state, 'Rejected');
      assert.deepEqual(await scene.rootsInSpire(), [fingerprint(west.good.der)]);
    } finally {
      await scene.stop();
    }
  });
});

describe('a quarantined peer', () => {
  it('loses bundle and links at once, keeps its evidence, and comes back by its last good bundle alone', async () => {
    const scene = await startScene();
    try {
      const rotated = westBundle([west.good, west.next], 8n);
      scene.serve(documentOf(rotated));
      await until('rotated', async () => (await scene.rootsInSpire()).length === 2);
      scene.endpoint.setIdentity(await makeSvid(west.next, WEST_ID));
      scene.serve(documentOf(westBundle([], 9n)));
      await until('held', () => scene.west()?.evidence[0]);

      const lastGoodBundle = documentOf(rotated).toString('utf8');
      scene.declare({ suspend: 'Revoke', quarantine: { reason: 'lost a key' }, lastGoodBundle });
      await until('no bundle', async () => (await scene.rootsInSpire()).length === 0);
      await until('no link', async () => (await scene.side.links(scene.entry))?.length === 0);
      await until('said', () => readiness(scene.west()) === 'False Quarantined');
      assert.match(inspectText(scene.west()!), /quarantined: lost a key[^]*To end the quarantine: {2}fedbroker/);
      assert.equal(scene.west()?.evidence[0]?.reason, 'EmptyBundle');

      // What is declared for the first contact knows the old root only; and an older document is no way back.
      scene.serve(documentOf(westBundle([west.next], 7n)));
      scene.declare({ suspend: 'Active', quarantine: undefined });
      await until('refused', () => scene.west()?.verdict?.reason === 'SequenceRollback');
      assert.deepEqual(await scene.rootsInSpire(), []);
      scene.serve(documentOf(westBundle([west.next], 10n)));
      await until('west is ready', () => readiness(scene.west()) === 'True Ready');
      assert.deepEqual(await scene.side.links(scene.entry), [WEST]);
    } finally {
      await scene.stop();
    }
  });
});

describe('a pinned peer', () => {
  let endpoint: FakeEndpoint;
  before(async () => {
    endpoint = await startEndpoint(west.leaf, (_request, response) =>
      response.writeHead(200).end(documentOf(westBundle([west.good], 7n))),
    );
  });
  after(() => endpoint.close());

  for (const { pinned, result } of [
    { pinned: () => west.good, result: 'True Ready' },
    { pinned: () => west.next, result: 'False PinnedRootMissing' },
  ] as const) {
    it(`without a bundle to begin with ends as ${result}`, async () => {
      const side = await startSide(EAST);
      try {
        const policy = { ...POLICY, pins: [pinOfCertificate(pinned().der)] };
        side.declare([peerOf(WEST, { bundleEndpointUrl: endpoint.url, policy })]);
        await side.startBroker(createBundleSource({ limits: FETCH_LIMITS, clock: systemClock }));
        await until(result, () => readiness(side.peer(WEST)) === result);
      } finally {
        await side.stop();
      }
    });
  }
});
