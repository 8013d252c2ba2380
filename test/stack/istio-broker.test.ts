// Does a declared peer reach a workload of the mesh through the broker alone, and stay there through rotations and beside
// hostile peers?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { toPem } from '../../src/bundle/certificate.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { parseMeshContent } from '../../src/istio/mesh-content.ts';
import { makeCertificate, makeRoot } from '../fakes/fake-ca.ts';
import { faultyHandlers } from '../fakes/hostile-endpoint.ts';
import { declarationOf, startBroker } from './harness/broker.ts';
import { Cleanup } from './harness/cleanup.ts';
import type { ClientCertificate } from './harness/envoy-config.ts';
import { eventually } from './harness/eventually.ts';
import { startHeldTrustDomain, type HeldTrustDomain } from './harness/held-trust-domain.ts';
import { conditionOf } from './harness/kube-side.ts';
import { localAuthority } from './harness/local-authority.ts';
import { startMeshSide, type MeshSide } from './harness/mesh-side.ts';
import { startMeshWorkload, type MeshWorkload } from './harness/mesh-workload.ts';
import { startSpireAgent, type SpireAgent } from './harness/spire-agent.ts';
import { startSpireServer, type SpireServer } from './harness/spire-server.ts';
import { openApi } from './harness/stored-roots.ts';
import { fingerprintOf } from './harness/x509-context.ts';

const ROTATIONS = 3;
/** The agent takes a new SVID for itself too; with one of a root that is gone it would end. */
const UNTIL_AGENT_HAS_IT_MS = 2_000;
const EAST = 'east.test';
const WEST = 'west.test';
const NORTH = parseTrustDomain('north.test');
const CONSTRAINED = { istio: { anchors: 'Constrained' } };
const TOKEN_LIFETIME_SECONDS = 3_600;
const ACCOUNT = { namespace: 'spire-server', name: 'broker' };

/** Istiod is asked every two seconds. */
const PROPAGATED_WITHIN_SECONDS = 5;

describe('a broker between SPIRE and a mesh', () => {
  const cleanup = new Cleanup();
  let east: MeshSide;
  let west: { readonly server: SpireServer; readonly agent: SpireAgent };
  let north: HeldTrustDomain;
  let orders: MeshWorkload;
  let token: string;

  before(async () => {
    [east, west, north] = await Promise.all([
      startMeshSide(cleanup, EAST, { kubeconfig: tokenKubeconfig }),
      startWest(),
      startHeldTrustDomain(cleanup, NORTH),
    ]);
    orders = await startMeshWorkload(cleanup, east);
  });
  after(() => cleanup.run());

  /** A token, so that there is one that the log could tell. */
  const tokenKubeconfig = async (kube: MeshSide['kube']): Promise<string> => {
    const { namespace, name } = ACCOUNT;
    await kube.kubectl(['create', 'serviceaccount', name, `--namespace=${namespace}`]);
    const binding = [
      'clusterrolebinding',
      name,
      '--clusterrole=cluster-admin',
      `--serviceaccount=${namespace}:${name}`,
    ];
    await kube.kubectl(['create', ...binding]);
    token = await kube.serviceAccountToken(ACCOUNT, TOKEN_LIFETIME_SECONDS);
    return kube.kubeconfig({ token });
  };

  let westDeclaration: Readonly<Record<string, unknown>>;

  async function startWest(): Promise<typeof west> {
    const server = await startSpireServer(cleanup, WEST);
    const agent = await startSpireAgent(cleanup, server, { syncSeconds: 1 });
    await agent.registerWorkload({ path: '/workload' });
    westDeclaration = await declarationOf(await startBroker(cleanup, server), server, CONSTRAINED);
    return { server, agent };
  }

  /** Of the peer's workload, as SPIRE gave it last. */
  async function ofWest(): Promise<ClientCertificate> {
    const { chainPem, privateKeyPem } = (await west.agent.fetchX509()).svid;
    return { chainPem, keyPem: privateKeyPem };
  }

  const northWorkload = () => north.leaf(`spiffe://${NORTH}/workload`);
  const meshText = () => east.written.current()?.data?.['mesh'];

  it('refuses the peer’s workload as long as nobody declares the peer', async () => {
    assert.equal(await orders.accepts(await ofWest()), false);
    assert.equal(east.written.current(), undefined);
  });

  it('lets it in once the peer is declared, and says so after istiod told that it uses it', async () => {
    await east.apply('west', westDeclaration);
    const message = await east.waitForMesh('west', 'AcceptedConstrained');
    assert.match(message, /its name is on the list, and its 1 roots are in mesh config/);
    const object = await east.waitForObject('west');
    assert.equal(conditionOf(object, 'MeshInjected')?.status, 'True');
    const merged = (await (await fetch(east.istiod.debugMeshUrl)).json()) as {
      readonly caCertificates: readonly { readonly trustDomains?: readonly string[]; readonly pem?: string }[];
    };
    assert.deepEqual(
      merged.caCertificates.flatMap(({ trustDomains = [] }) => trustDomains),
      [WEST],
    );
    await orders.waitUntilAccepted(await ofWest());
    const [count, sum] = await Promise.all(
      ['count', 'sum'].map((each) => east.broker.metric(`fedbroker_mesh_propagation_seconds_${each}`)),
    );
    assert.equal(await east.broker.metric(`fedbroker_peer_in_mesh{trust_domain="${WEST}"}`), 1);
    assert.ok(count === 1 && sum !== undefined && sum > 0 && sum < PROPAGATED_WITHIN_SECONDS, `${count}, ${sum} s`);
  });

  it('refuses a forged identity of a peer’s CA, while that peer’s own workloads are accepted', async () => {
    await east.apply('north', { ...north.declaration, ...CONSTRAINED });
    await east.waitForMesh('north', 'AcceptedConstrained');
    await orders.waitUntilAccepted(await northWorkload());
    for (const forged of [`spiffe://${EAST}/ns/shop/sa/orders`, `spiffe://${WEST}/workload`]) {
      const before = await orders.badChains();
      assert.equal(await orders.accepts(await north.leaf(forged)), false);
      assert.equal(await orders.badChains(), before + 1);
    }
  });

  it(`keeps a stream and answers every request through ${ROTATIONS} rotations of the peer, and writes no list`, async (context) => {
    const stream = await orders.hold(await ofWest());
    const [listenerWrites, list] = [orders.sidecar.listenerWrites(), east.published().names];
    const answers = { good: 0, bad: 0 };
    const rotated = new AbortController();
    const requests = (async () => {
      while (!rotated.signal.aborted) {
        answers[(await orders.accepts(await ofWest())) ? 'good' : 'bad']++;
        await pause(50);
      }
    })();
    for (let rotation = 0; rotation < ROTATIONS; rotation++) await rotateWest();
    rotated.abort();
    await requests;
    context.diagnostic(`answers: ${JSON.stringify(answers)}; bytes on the stream: ${await stream.exchange()}`);
    assert.equal(answers.bad, 0);
    assert.equal(orders.sidecar.listenerWrites(), listenerWrites);
    assert.deepEqual(east.published().names, list);
  });

  /** A root is used only when the mesh holds it, and goes when no SVID needs it. */
  async function rotateWest(): Promise<void> {
    const authority = localAuthority(west.server, 'x509');
    const { anchors } = east.published();
    const before = await west.agent.fetchX509();
    const known = new Set(before.roots.map(fingerprintOf));
    await authority.prepare();
    await Promise.all([
      untilAnchors(anchors + 1),
      west.agent.waitForX509(({ roots }) => roots.some((root) => !known.has(fingerprintOf(root)))),
    ]);
    await authority.activate();
    await authority.taint();
    await west.agent.waitForX509(({ svid }) => svid.chainPem !== before.svid.chainPem);
    await pause(UNTIL_AGENT_HAS_IT_MS);
    await authority.revoke();
    await untilAnchors(anchors);
  }

  async function untilAnchors(count: number): Promise<void> {
    await eventually(`${count} anchors are published`, () => east.published().anchors === count);
    await orders.sidecar.waitForAnchors(parseMeshContent(meshText() ?? '').content.anchors.map(toPem));
  }

  const BAD_ANSWERS: readonly (readonly [what: string, reason: string, publish: () => Promise<void> | void])[] = [
    [
      'our own root',
      'OwnRoot',
      async () => {
        north.publish([north.root.der, ...(await openApi(cleanup, east.server).readOwnBundle()).x509Authorities]);
      },
    ],
    [
      'a root of another peer',
      'RootOfOtherTrustDomain',
      async () => {
        north.publish([north.root.der, ...(await openApi(cleanup, west.server).readOwnBundle()).x509Authorities]);
      },
    ],
    [
      'no root at all',
      'EmptyBundle',
      () => {
        north.publish([]);
      },
    ],
    [
      'nothing but expired roots',
      'AllRootsExpired',
      async () => {
        north.publish([(await makeRoot(NORTH, { notAfter: new Date('2021-01-01') })).der]);
      },
    ],
    [
      'a web page',
      'ContentIsHtml',
      () => {
        north.answer(faultyHandlers(Buffer.from('{}')).html);
      },
    ],
    [
      'half a document',
      'ConnectionLost',
      () => {
        north.answer(faultyHandlers(Buffer.from('{}')).resetWithin);
      },
    ],
    [
      'status 503',
      'StatusUnexpected',
      () => {
        north.answer(faultyHandlers(Buffer.from('{}')).status503);
      },
    ],
  ];
  for (const [what, reason, publish] of BAD_ANSWERS) {
    it(`keeps what the mesh has when a peer answers ${what}, and says why: ${reason}`, async () => {
      const [text, changes] = [meshText(), east.written.changes()];
      await publish();
      await east.waitForObject('north', (object) => conditionOf(object, 'Ready')?.reason === reason, 15_000);
      assert.equal(meshText(), text);
      assert.equal(await orders.accepts(await ofWest()), true);
      assert.equal(await orders.accepts(await northWorkload()), true);
      north.publish();
      await east.waitForObject('north');
      assert.equal(east.written.changes(), changes);
    });
  }

  const BAD_ROOTS: readonly (readonly [what: string, make: () => Promise<{ readonly der: Uint8Array }>])[] = [
    ['a certificate that is no CA', () => makeCertificate({ uris: [`spiffe://${NORTH}`] })],
    ['an expired root', () => makeRoot(NORTH, { notAfter: new Date('2021-01-01') })],
  ];
  for (const [what, make] of BAD_ROOTS) {
    it(`goes on with a peer’s good root, and with other peers, beside ${what}`, async () => {
      const sequence = (await east.object('north'))?.status?.bundle?.sequence;
      north.publish([north.root.der, (await make()).der]);
      await east.waitForObject('north', ({ status }) => status?.bundle?.sequence !== sequence);
      await east.waitForMesh('north', 'AcceptedConstrained');
      assert.equal(await orders.accepts(await northWorkload()), true);
      assert.equal(await orders.accepts(await ofWest()), true);
      east.istiod.restart();
      assert.equal(await orders.accepts(await northWorkload()), true);
    });
  }

  it('refuses a peer whose name cannot be constrained, says what to choose, and keeps the others', async () => {
    const bad = await startHeldTrustDomain(cleanup, parseTrustDomain('under_score.test'));
    const changes = east.written.changes();
    await east.apply('under-score', { ...bad.declaration, ...CONSTRAINED });
    assert.match(await east.waitForMesh('under-score', 'NameNotConstrainable'), /SpireSds/);
    assert.equal(east.written.changes(), changes);
    assert.equal(await orders.accepts(await bad.leaf('spiffe://under_score.test/workload')), false);
    assert.equal(await orders.accepts(await ofWest()), true);
  });

  it('writes no PEM and no token into its log', () => {
    const log = east.broker.log();
    const pems = parseMeshContent(meshText() ?? '').content.anchors.map(toPem);
    const bodies = [...pems, north.root.pem].map((pem) => pem.split('\n')[1] ?? '');
    const secrets = ['-----BEGIN', token, ...bodies];
    assert.ok(log.length > 10_000, 'it logs, at the level debug');
    for (const secret of secrets) assert.ok(!log.includes(secret), `${secret.slice(0, 20)}… is in the log`);
  });
});
