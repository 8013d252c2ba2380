// Does anything suspicious stop at our door, with evidence, and can it be let in, refused, cut off and restored? A
// hostile endpoint over real TLS, an embedded SPIRE over its real API.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { serializeBundle } from '../../src/bundle/bundle-document.ts';
import { bundleDigest, fingerprint, type Bundle } from '../../src/bundle/bundle.ts';
import { pinOfCertificate } from '../../src/bundle/spki-pin.ts';
import { createBundleSource } from '../../src/bundle-endpoint/fetch-bundle.ts';
import { parseSpiffeId } from '../../src/bundle/spiffe-id.ts';
import type { Peer, PeerPolicy } from '../../src/federation/relationship.ts';
import { inspectText } from '../../src/cli/inspect.ts';
import { makeRoot, makeSvid, type Issued } from '../fakes/fake-ca.ts';
import { startEndpoint, type FakeEndpoint } from '../fakes/hostile-endpoint.ts';
import { EAST, peerOf, POLICY, selecting, WEST } from '../federation/samples.ts';
import { readiness, startSide, until, type Side } from './side.ts';

const ID = parseSpiffeId(`spiffe://${WEST}/federation-broker`);
const LIMITS = { connectTimeoutMs: 2_000, totalTimeoutMs: 4_000, maxBodyBytes: 100_000, maxRedirects: 3 };

let good: Issued;
let next: Issued;
let third: Issued;
let leaf: Issued;
before(async () => {
  [good, next, third] = (await Promise.all([1, 2, 3].map(() => makeRoot(WEST)))) as [Issued, Issued, Issued];
  leaf = await makeSvid(good, ID);
});

function bundleOf(roots: readonly Issued[], sequenceNumber: bigint | undefined): Bundle {
  const x509Authorities = roots.map(({ der }) => der);
  return { trustDomain: WEST, x509Authorities, jwtAuthorities: [], sequenceNumber, refreshHintSeconds: 60 };
}

const documentOf = (bundle: Bundle) => serializeBundle(bundle, { refreshHintSeconds: 60 });

/** East with a broker, and an endpoint that pretends to be honest west and then serves what it is told. */
async function startScene(policy: Partial<PeerPolicy> = {}) {
  let body: Buffer = documentOf(bundleOf([good], 7n));
  const endpoint: FakeEndpoint = await startEndpoint(leaf, (_request, response) => response.writeHead(200).end(body));
  const side: Side = await startSide(EAST);
  const entry = await side.createEntry('/api');
  let peer: Peer = peerOf(WEST, {
    bundleEndpointUrl: endpoint.url,
    entrySelectors: selecting('/**'),
    policy: { ...POLICY, ...policy },
  });
  const first = bundleOf([good], 7n);
  side.declare([peer]);
  await side.startBroker(createBundleSource(LIMITS), { readBootstrap: () => Promise.resolve(first) });
  await until('west is ready', () => readiness(side.peer(WEST)) === 'True Ready');
  return {
    side,
    endpoint,
    entry,
    first,
    serve: (bytes: Buffer) => {
      body = bytes;
    },
    declare: (changes: Partial<Peer>) => {
      peer = { ...peer, ...changes };
      side.declare([peer]);
    },
    rootsInSpire: async () => (await side.spire.getFederatedBundle(WEST))?.x509Authorities.map(fingerprint) ?? [],
    stop: async () => {
      await side.stop();
      await endpoint.close();
    },
  };
}

interface Attack {
  readonly reason: string;
  readonly policy?: Partial<PeerPolicy>;
  readonly serves: (side: Side) => Promise<Buffer> | Buffer;
  readonly releasable: boolean;
  readonly verdict: 'held' | 'refused';
}

const ATTACKS: readonly Attack[] = [
  { reason: 'EmptyBundle', verdict: 'held', releasable: false, serves: () => documentOf(bundleOf([], 8n)) },
  {
    reason: 'DisjointRoots',
    verdict: 'held',
    releasable: true,
    policy: { onDisjointRoots: 'Hold' },
    serves: () => documentOf(bundleOf([next], 8n)),
  },
  {
    reason: 'LargeChange',
    verdict: 'held',
    releasable: true,
    policy: { onLargeChange: 'Hold', largeChange: { added: 2, removed: 5 } },
    serves: () => documentOf(bundleOf([good, next, third], 8n)),
  },
  {
    reason: 'SequenceReuse',
    verdict: 'held',
    releasable: true,
    policy: { onSequenceReuse: 'Hold' },
    serves: () => documentOf(bundleOf([good, next], 7n)),
  },
  {
    reason: 'SequenceRollback',
    verdict: 'refused',
    releasable: true,
    serves: () => documentOf(bundleOf([good, next], 6n)),
  },
  {
    reason: 'OwnRoot',
    verdict: 'refused',
    releasable: false,
    serves: async (side) => {
      const own = await side.spire.readOwnBundle();
      return documentOf({ ...bundleOf([good], 8n), x509Authorities: [good.der, ...own.x509Authorities] });
    },
  },
  { reason: 'KeysMissing', verdict: 'refused', releasable: false, serves: () => Buffer.from('{"spiffe_sequence":8}') },
];

describe('a hostile endpoint', () => {
  for (const { reason, verdict, releasable, policy, serves } of ATTACKS) {
    it(`gets nothing in by ${reason}; it is ${verdict}, and the evidence says by whom and when`, async () => {
      const scene = await startScene(policy);
      try {
        scene.serve(await serves(scene.side));
        const evidence = await until('evidence', () => scene.side.peer(WEST)?.evidence[0]);
        assert.equal(`${evidence.verdict} ${evidence.reason} ${evidence.state}`, `${verdict} ${reason} Current`);
        assert.equal(evidence.releasable, releasable);
        assert.equal(evidence.url, scene.endpoint.url);
        assert.deepEqual(
          evidence.endpointCertificates,
          [leaf, good].map(({ der }) => fingerprint(der)),
        );
        assert.deepEqual(await scene.rootsInSpire(), [fingerprint(good.der)]);
        const later = await until('it is seen again', () => {
          const [again] = scene.side.peer(WEST)?.evidence ?? [];
          return again !== undefined && again.lastSeen > evidence.lastSeen && again;
        });
        assert.equal(later.firstSeen, evidence.firstSeen);

        const text = inspectText(scene.side.peer(WEST)!);
        assert.match(text, new RegExp(`Waits for a decision: ${verdict} \\(${reason}\\)`));
        assert.equal(text.includes('fedbroker release west --digest'), releasable);
        assert.doesNotMatch(text, /BEGIN CERTIFICATE/);

        scene.serve(documentOf(bundleOf([good], 9n)));
        await until('the evidence is past', () => scene.side.peer(WEST)?.evidence[0]?.state === 'Past');
      } finally {
        await scene.stop();
      }
    });
  }

  it('that shows something else each time leaves eight traces, the first among them', async () => {
    const scene = await startScene({ onLargeChange: 'Hold', largeChange: { added: 1, removed: 1 } });
    try {
      const roots = await Promise.all(Array.from({ length: 10 }, () => makeRoot(WEST)));
      const digests: string[] = [];
      for (const [index, root] of roots.entries()) {
        const bundle = bundleOf([good, root], BigInt(8 + index));
        digests.push(bundleDigest(bundle));
        scene.serve(documentOf(bundle));
        await until('seen', () => scene.side.peer(WEST)?.evidence[0]?.bundle?.digest === digests.at(-1));
      }
      const kept = scene.side.peer(WEST)!.evidence.map(({ bundle }) => bundle?.digest);
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
      const bundle = bundleOf([next], 8n);
      scene.serve(documentOf(bundle));
      await until('held', () => scene.side.peer(WEST)?.evidence[0]);
      // The endpoint goes on with its old certificate: it is by the root that is held that it must prove itself.
      scene.declare({ acceptDigest: bundleDigest(bundle) });
      await until('SPIRE holds it', async () => (await scene.rootsInSpire())[0] === fingerprint(next.der));
      await until('the evidence says so', () => scene.side.peer(WEST)?.evidence[0]?.state === 'Accepted');
    } finally {
      await scene.stop();
    }
  });

  it('stays out when its digest is rejected, also when policy would accept it', async () => {
    const scene = await startScene(policy);
    try {
      const bundle = bundleOf([next], 8n);
      scene.serve(documentOf(bundle));
      await until('held', () => scene.side.peer(WEST)?.evidence[0]);
      scene.declare({ rejectDigests: [bundleDigest(bundle)], policy: POLICY });
      await until('refused', () => scene.side.peer(WEST)?.verdict?.reason === 'RejectedByOperator');
      assert.equal(scene.side.peer(WEST)?.evidence[0]?.state, 'Rejected');
      assert.deepEqual(await scene.rootsInSpire(), [fingerprint(good.der)]);
    } finally {
      await scene.stop();
    }
  });
});

describe('a quarantined peer', () => {
  it('loses bundle and links at once, keeps its evidence, and comes back by its last good bundle alone', async () => {
    const scene = await startScene();
    try {
      const rotated = bundleOf([good, next], 8n);
      scene.serve(documentOf(rotated));
      await until('rotated', async () => (await scene.rootsInSpire()).length === 2);
      scene.endpoint.setIdentity(await makeSvid(next, ID));
      scene.serve(documentOf(bundleOf([], 9n)));
      await until('held', () => scene.side.peer(WEST)?.evidence[0]);

      const lastGoodBundle = documentOf(rotated).toString('utf8');
      scene.declare({ suspend: 'Revoke', quarantine: { reason: 'lost a key' }, lastGoodBundle });
      await until('no bundle', async () => (await scene.rootsInSpire()).length === 0);
      await until('no link', async () => (await scene.side.links(scene.entry))?.length === 0);
      await until('said', () => readiness(scene.side.peer(WEST)) === 'False Quarantined');
      assert.match(
        inspectText(scene.side.peer(WEST)!),
        /quarantined: lost a key[^]*To end the quarantine: {2}fedbroker/,
      );
      assert.equal(scene.side.peer(WEST)?.evidence[0]?.reason, 'EmptyBundle');

      // What is declared for the first contact knows the old root only; and an older document is no way back.
      scene.serve(documentOf(bundleOf([next], 7n)));
      scene.declare({ suspend: 'Active', quarantine: undefined });
      await until('refused', () => scene.side.peer(WEST)?.verdict?.reason === 'SequenceRollback');
      assert.deepEqual(await scene.rootsInSpire(), []);
      scene.serve(documentOf(bundleOf([next], 10n)));
      await until('west is ready', () => readiness(scene.side.peer(WEST)) === 'True Ready');
      assert.deepEqual(await scene.side.links(scene.entry), [WEST]);
    } finally {
      await scene.stop();
    }
  });
});

describe('a pinned peer', () => {
  let endpoint: FakeEndpoint;
  before(async () => {
    endpoint = await startEndpoint(leaf, (_request, response) =>
      response.writeHead(200).end(documentOf(bundleOf([good], 7n))),
    );
  });
  after(() => endpoint.close());

  for (const { pinned, result } of [
    { pinned: () => good, result: 'True Ready' },
    { pinned: () => next, result: 'False PinnedRootMissing' },
  ] as const) {
    it(`without a bundle to begin with ends as ${result}`, async () => {
      const side = await startSide(EAST);
      try {
        const policy = { ...POLICY, pins: [pinOfCertificate(pinned().der)] };
        side.declare([peerOf(WEST, { bundleEndpointUrl: endpoint.url, policy })]);
        await side.startBroker(createBundleSource(LIMITS));
        await until(result, () => readiness(side.peer(WEST)) === result);
      } finally {
        await side.stop();
      }
    });
  }
});
