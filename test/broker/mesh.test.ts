// Does a running broker let exactly the declared peers into the mesh, and keep it so whatever others do?
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { MeshParts } from '../../src/broker/mesh-keeper.ts';
import { planMeshOnce } from '../../src/broker/plan-mesh-once.ts';
import { RootIndexer } from '../../src/bundle/known-roots.ts';
import { fingerprint } from '../../src/bundle/bundle.ts';
import { toPem } from '../../src/bundle/certificate.ts';
import { systemClock, untilAborted } from '../../src/federation/clock.ts';
import { known } from '../../src/federation/facts.ts';
import type { ServedAnchors } from '../../src/federation/mesh-ports.ts';
import type { BundleSource } from '../../src/federation/ports.ts';
import type { MeshSurvey } from '../../src/federation/mesh-survey.ts';
import type { MeshAcceptance } from '../../src/federation/relationship.ts';
import { parseMeshContent } from '../../src/istio/mesh-content.ts';
import { openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import { CONFIG_MAPS, SECRETS } from '../../src/kubernetes/core-resources.ts';
import { MeshResources } from '../../src/kubernetes/mesh-objects.ts';
import { startFakeApiServer, type FakeApiServer } from '../fakes/fake-api-server.ts';
import { makeCertificate } from '../fakes/fake-ca.ts';
import { bundleOf, EAST, NORTH, peerOf, WEST } from '../federation/samples.ts';
import { ScriptedSource, startSide, until, type Side } from './side.ts';

const SHARED = { resource: CONFIG_MAPS, namespace: 'istio-system', name: 'istio-federation' };
const CONSTRAINED: MeshAcceptance = { anchors: 'Constrained', urgent: false, gatewayCas: [] };

const ENVIRONMENT = { ISTIO_MULTIROOT_MESH: 'true', SHARED_MESH_CONFIG: 'istio-federation' };

/** One istiod without a revision, and nothing else that matters. */
function survey(changes: Partial<MeshSurvey> = {}): MeshSurvey {
  const at = systemClock.now();
  return {
    istiods: known([{ name: 'istiod', revision: 'default', environment: ENVIRONMENT, unreadVariables: [] }], at),
    proxies: known({ certifiedBySpire: 0, certifiedByIstiod: 0, takingMeshRoots: 0, notTakingMeshRoots: [] }, at),
    ambientNamespaces: known([], at),
    spireAgent: undefined,
    authorizationPolicies: undefined,
    gateways: known([], at),
    serviceEntries: undefined,
    destinationRules: undefined,
    gatewayApi: undefined,
    ...changes,
  };
}

describe('a broker beside a mesh', () => {
  let side: Side;
  let source: ScriptedSource;
  let kube: FakeApiServer;
  let api: ApiServer;
  let mesh: MeshParts;
  let found: Partial<MeshSurvey>;
  let look: (() => void) | undefined;
  let serve: ((served: ServedAnchors) => void) | undefined;

  beforeEach(async () => {
    found = {};
    side = await startSide(EAST);
    source = new ScriptedSource();
    for (const name of [WEST, NORTH]) source.publish(peerOf(name).bundleEndpointUrl, bundleOf(name));
    kube = await startFakeApiServer([CONFIG_MAPS, SECRETS]);
    api = await openApiServer({ access: await kube.serviceAccount(), clock: systemClock, timeoutMs: 5_000 });
    await api.create(CONFIG_MAPS, {
      metadata: { name: 'istio', namespace: 'istio-system' },
      data: { mesh: `trustDomain: ${EAST}\n` },
    });
    const onFault = (error: unknown): never => {
      throw error;
    };
    mesh = {
      objects: new MeshResources({ api, clock: systemClock, random: Math.random, onFault, ownTrustDomain: EAST }),
      surveys: {
        watch: async (report, signal) => {
          look = () => {
            report(survey(found));
          };
          look();
          await untilAborted(signal);
        },
      },
      agentSds: {
        watch: async (report, signal) => {
          serve = report;
          await untilAborted(signal);
        },
      },
      mergedMesh: undefined,
      settings: {
        istioNamespace: 'istio-system',
        configMap: 'istio-federation',
        revisions: undefined,
        namespace: 'spire',
        target: 'SharedConfigMap',
        listIntervalMs: 0,
        listSchedule: undefined,
        rootIntervalMs: 0,
        isStrict: false,
        rootNamespace: 'istio-system',
        maxFlips: 3,
        flipWindowMs: 60_000,
      },
    };
  });
  afterEach(async () => {
    await side.stop();
    api.close();
    await kube.close();
  });

  const peer = (name: typeof WEST, accepted = CONSTRAINED) =>
    peerOf(name, { profile: { type: 'https_web' }, mesh: accepted });
  const meshInjected = (name: typeof WEST) => side.peer(name)?.conditions.find(({ type }) => type === 'MeshInjected');
  const sharedText = async () => {
    const object = await api.get(SHARED);
    return (object?.['data'] as Record<string, string> | undefined)?.['mesh'];
  };
  const shared = async () => {
    const text = await sharedText();
    return text === undefined ? undefined : parseMeshContent(text).content;
  };
  const names = async () => (await shared())?.trustDomains ?? [];

  it('writes the name and one anchor for each root of a peer, and says so', async () => {
    side.declare([peer(WEST)]);
    await side.startBroker(source, { mesh });
    await until('the mesh accepts it', () => meshInjected(WEST)?.status === 'True');
    const content = await shared();
    assert.deepEqual(content?.trustDomains, [WEST]);
    assert.equal(content.anchors.length, 1);
    assert.equal(meshInjected(WEST)?.reason, 'AcceptedConstrained');
  });

  it('follows a rotated root without touching the list of names', async () => {
    side.declare([peer(WEST)]);
    await side.startBroker(source, { mesh });
    await until('one name is on the list', async () => (await names()).length === 1);
    const [before] = (await shared())!.anchors;
    source.publish(peerOf(WEST).bundleEndpointUrl, bundleOf(WEST, [0, 1], { sequenceNumber: 8n }));
    await until('the new root is written', async () => (await shared())?.anchors.length === 2);
    const { anchors, trustDomains } = (await shared())!;
    assert.deepEqual(trustDomains, [WEST]);
    assert.ok(anchors.map(fingerprint).includes(fingerprint(before!)));
  });

  it('writes nothing while nothing changes', async () => {
    side.declare([peer(WEST), peer(NORTH)]);
    const broker = await side.startBroker(source, { mesh });
    await until('the names are on the list', async () => (await names()).length === 2);
    const { metadata } = (await api.get(SHARED))!;
    source.publish(peerOf(WEST).bundleEndpointUrl, bundleOf(WEST, [0], { sequenceNumber: 8n }));
    broker.refreshAll();
    await until('a newer bundle with the same roots is stored', () => side.peer(WEST)?.bundle?.sequence === '8');
    assert.equal((await api.get(SHARED))!.metadata.resourceVersion, metadata.resourceVersion);
  });

  it('restores its ConfigMap byte for byte when somebody deletes it', async () => {
    side.declare([peer(WEST)]);
    await side.startBroker(source, { mesh });
    await until('the mesh accepts it', () => meshInjected(WEST)?.status === 'True');
    const text = await sharedText();
    await api.delete(SHARED);
    await until('the ConfigMap is back', async () => (await sharedText()) !== undefined);
    assert.equal(await sharedText(), text);
  });

  it('says nothing of istiod before it has looked for it', async () => {
    side.declare([peer(WEST)]);
    const surveys = { watch: (_report: unknown, signal: AbortSignal) => untilAborted(signal) };
    await side.startBroker(source, { mesh: { ...mesh, surveys } });
    await until('the peer’s bundle is stored', () => side.peer(WEST)?.bundle !== undefined);
    assert.equal(meshInjected(WEST)?.status, 'Unknown');
    assert.equal(meshInjected(WEST)?.reason, 'NotReadYet');
  });

  it('leaves a ConfigMap alone that it did not make, and names the conflict', async () => {
    const { name, namespace } = SHARED;
    await api.create(CONFIG_MAPS, { metadata: { name, namespace }, data: { mesh: 'caCertificates: []\n' } });
    side.declare([peer(WEST)]);
    await side.startBroker(source, { mesh });
    await until('the condition says OwnershipConflict', () => meshInjected(WEST)?.reason === 'OwnershipConflict');
    assert.equal(await sharedText(), 'caCertificates: []\n');
  });

  it('takes a removed peer out again, and keeps the others', async () => {
    side.declare([peer(WEST), peer(NORTH)]);
    await side.startBroker(source, { mesh });
    await until('the names are on the list', async () => (await names()).length === 2);
    side.declare([peer(NORTH)]);
    await until('one name is on the list', async () => (await names()).length === 1);
    const content = await shared();
    assert.deepEqual(content?.trustDomains, [NORTH]);
    assert.equal(content.anchors.length, 1);
  });

  it('keeps everything when declarations cannot be read in full', async () => {
    side.declare([peer(WEST), peer(NORTH)]);
    await side.startBroker(source, { mesh });
    await until('the names are on the list', async () => (await names()).length === 2);
    const text = await sharedText();
    side.declare([peer(NORTH)], 'west.yaml cannot be read');
    const passes = side.reports.length;
    await until('a pass has ended', () => side.reports.length > passes);
    assert.equal(await sharedText(), text);
  });

  it('adds no root beside those of istiod while these may not be read, and does when they may', async () => {
    const istiod = await makeCertificate({ isCa: true });
    kube.isAllowed = ({ name }) => name !== 'istio-ca-root-cert';
    side.declare([peer(WEST)]);
    await side.startBroker(source, { mesh });
    await until('it says what it waits for', () => meshInjected(WEST)?.reason === 'MeshRootsUnreadable');
    assert.equal(await sharedText(), undefined);
    const metadata = { name: 'istio-ca-root-cert', namespace: 'istio-system' };
    await api.create(CONFIG_MAPS, { metadata, data: { 'root-cert.pem': istiod.pem } });
    kube.isAllowed = () => true;
    await until('the mesh accepts it', () => meshInjected(WEST)?.status === 'True');
  });

  it('refuses a peer with a root that istiod has', async () => {
    const [root] = bundleOf(WEST).x509Authorities;
    const metadata = { name: 'istio-ca-root-cert', namespace: 'istio-system' };
    await api.create(CONFIG_MAPS, { metadata, data: { 'root-cert.pem': toPem(root!) } });
    side.declare([peer(WEST)]);
    await side.startBroker(source, { mesh });
    await until('the condition says RootCollision', () => meshInjected(WEST)?.reason === 'RootCollision');
    assert.equal(await sharedText(), undefined);
  });

  it('believes that workloads of SPIRE accept a peer only when the agent serves its roots', async () => {
    side.declare([peer(WEST, { ...CONSTRAINED, anchors: 'SpireSds' })]);
    await side.startBroker(source, { mesh });
    await until('one name is on the list', async () => (await names()).length === 1);
    assert.equal((await shared())?.anchors.length, 0);
    assert.equal(meshInjected(WEST)?.status, 'Unknown');
    const own = [EAST, bundleOf(EAST).x509Authorities.map(fingerprint)] as const;
    serve?.({ validator: 'PerTrustDomain', roots: new Map([own]) });
    await until('the condition says NotServedYet', () => meshInjected(WEST)?.reason === 'NotServedYet');
    const west = [WEST, bundleOf(WEST).x509Authorities.map(fingerprint)] as const;
    serve?.({ validator: 'PerTrustDomain', roots: new Map([own, west]) });
    await until('the mesh accepts it', () => meshInjected(WEST)?.status === 'True');
    serve?.({ validator: 'OneList', roots: west[1] });
    await until('the condition says RootsNotKeptApart', () => meshInjected(WEST)?.reason === 'RootsNotKeptApart');
  });

  it('tells a peer that its bundle is applied only when the mesh uses it', async () => {
    const named: (string | undefined)[] = [];
    const naming: BundleSource = {
      fetch: async (request, signal) => {
        named.push(request.appliedEtag);
        return { ...(await source.fetch(request, signal)), etag: `"${String(source.asked.length)}"` };
      },
    };
    side.declare([peer(WEST, { ...CONSTRAINED, anchors: 'SpireSds' })]);
    await side.startBroker(naming, { mesh });
    const own = [EAST, bundleOf(EAST).x509Authorities.map(fingerprint)] as const;
    serve?.({ validator: 'PerTrustDomain', roots: new Map([own]) });
    await until('SPIRE holds it', () => side.peer(WEST)?.bundle !== undefined);
    await until('the condition says NotServedYet', () => meshInjected(WEST)?.reason === 'NotServedYet');
    named.splice(0);
    await until('it was asked again', () => named.length > 2);
    assert.deepEqual(new Set(named), new Set([undefined]));
    const west = [WEST, bundleOf(WEST).x509Authorities.map(fingerprint)] as const;
    serve?.({ validator: 'PerTrustDomain', roots: new Map([own, west]) });
    await until('the applied document is named', () => named.at(-1) !== undefined);
  });

  it('gives a gateway an object with the roots of its peer, and takes it back when nobody names it', async () => {
    const atEdge: MeshAcceptance = {
      anchors: 'None',
      urgent: false,
      gatewayCas: [{ type: 'ConfigMap', name: 'west-ca' }],
    };
    const ref = { resource: CONFIG_MAPS, namespace: 'spire', name: 'west-ca' };
    side.declare([peer(WEST, atEdge)]);
    await side.startBroker(source, { mesh });
    await until('the CA object is there', async () => (await api.get(ref)) !== undefined);
    const { data } = (await api.get(ref)) as { readonly data?: Record<string, string> };
    assert.match(data!['ca.crt']!, /^-----BEGIN CERTIFICATE-----/);
    assert.deepEqual(await names(), []);
    side.declare([peer(WEST)]);
    await until('the CA object is gone', async () => {
      look?.();
      return (await api.get(ref)) === undefined;
    });
  });

  it('writes, but does not say that a peer is accepted, while istiod would not use its roots', async () => {
    const istiod = { name: 'istiod', revision: 'default', environment: {}, unreadVariables: [] };
    found = { istiods: known([istiod], systemClock.now()) };
    side.declare([peer(WEST)]);
    const broker = await side.startBroker(source, { mesh });
    await until('the condition says MultiRootEnabled', () => meshInjected(WEST)?.reason === 'MultiRootEnabled');
    assert.match(meshInjected(WEST)!.message, /ISTIO_MULTIROOT_MESH/);
    const failed = broker.status().mesh?.checks.filter(({ status }) => status === 'Failed');
    assert.deepEqual(failed?.map(({ id }) => id).sort(), ['MultiRootEnabled', 'SharedMeshConfigWired']);
    assert.deepEqual(await names(), [WEST]);
  });

  describe('with a policy that allows identities by their namespace alone', () => {
    const nothing = {
      ...{ principals: [], notPrincipals: [], namespaces: [], notNamespaces: [], serviceAccounts: [] },
      ...{ notServiceAccounts: [], trustDomains: [], notTrustDomains: [] },
    };
    beforeEach(() => {
      const source = { ...nothing, namespaces: ['payments'] };
      const rule = { sources: [source], conditions: [], isAboutIdentitiesAlone: true };
      const place = { namespace: 'payments', name: 'callers' };
      found = {
        authorizationPolicies: known(
          [{ ...place, action: 'ALLOW', isSelective: false, rules: [rule] }],
          systemClock.now(),
        ),
      };
    });

    it('lets the peer in and names the policy', async () => {
      side.declare([peer(WEST)]);
      const broker = await side.startBroker(source, { mesh });
      await until('the mesh accepts it', () => meshInjected(WEST)?.status === 'True');
      assert.match(meshInjected(WEST)!.message, /PolicyAllowsSameNames: AuthorizationPolicy payments\/callers/);
      assert.deepEqual(
        broker.status().mesh?.findings.map(({ id, peer: name }) => [id, name]),
        [['PolicyAllowsSameNames', WEST]],
      );
    });

    it('keeps a new peer out under strict, and not one that is in already', async () => {
      side.declare([peer(WEST)]);
      const lenient = await side.startBroker(source, { mesh });
      await until('one name is on the list', async () => (await names()).length === 1);
      await lenient.stop();
      side.declare([peer(WEST), peer(NORTH)]);
      await side.startBroker(source, { mesh: { ...mesh, settings: { ...mesh.settings, isStrict: true } } });
      await until('the condition says PolicyFindings', () => meshInjected(NORTH)?.reason === 'PolicyFindings');
      await until('the mesh accepts the other', () => meshInjected(WEST)?.status === 'True');
      assert.deepEqual(await names(), [WEST]);
    });
  });

  it('can be asked what it would change, and changes nothing', async () => {
    const now = systemClock.now();
    const ground = {
      declared: known({ peers: [peer(WEST)], incompleteBecause: undefined }, now),
      stored: known(new Map([[WEST, bundleOf(WEST)]]), now),
      ownBundle: known(bundleOf(EAST), now),
      knownRoots: new RootIndexer().index(bundleOf(EAST), [bundleOf(WEST)]),
    };
    const report = await planMeshOnce({ ...mesh, trustDomain: EAST, ground }, 5_000, new AbortController().signal);
    assert.deepEqual(
      report?.plan.steps.map(({ kind, ref, trustDomains }) => [kind, ref.name, trustDomains]),
      [['ApplyMeshObject', 'istio-federation', [WEST]]],
    );
    assert.equal(await sharedText(), undefined);
  });

  describe('with objects of an earlier life', () => {
    const ref = { resource: CONFIG_MAPS, namespace: 'spire', name: 'west-ca' };
    const gatewayCas = [{ type: 'ConfigMap', name: 'west-ca' }] as const;

    beforeEach(async () => {
      side.declare([peer(WEST, { ...CONSTRAINED, gatewayCas })]);
      const earlier = await side.startBroker(source, { mesh });
      await until('the CA object is there', async () => (await api.get(ref)) !== undefined);
      await until('the mesh accepts it', () => meshInjected(WEST)?.status === 'True');
      await earlier.stop();
      side.declare([peer(WEST)]);
    });

    it('takes back a CA object that was no longer declared while no broker ran', async () => {
      await side.startBroker(source, { mesh });
      await until('the CA object is gone', async () => {
        look?.();
        return (await api.get(ref)) === undefined;
      });
    });

    it('leaves its mesh config alone where that is in its own namespace', async () => {
      const settings = { ...mesh.settings, namespace: SHARED.namespace };
      const { metadata } = (await api.get(SHARED))!;
      const broker = await side.startBroker(source, { mesh: { ...mesh, settings } });
      const isListing = ({ query }: (typeof kube.requests)[number]) => query.has('labelSelector');
      await until('objects were looked for', () => kube.requests.filter(isListing).length === 2);
      side.declare([peer(WEST), peer(NORTH)]);
      await until('the next peer came', async () => (await names()).length === 2);
      await broker.stop();
      assert.equal((await api.get(SHARED))?.metadata.uid, metadata.uid);
      assert.deepEqual(
        kube.requests.filter(({ verb }) => verb === 'delete'),
        [],
      );
    });

    it('keeps the object and all else goes on when objects may not be listed by their label', async () => {
      kube.isAllowed = ({ verb, name }) => verb !== 'list' || name !== undefined;
      await side.startBroker(source, { mesh });
      await until('the mesh accepts it', () => meshInjected(WEST)?.status === 'True');
      assert.notEqual(await api.get(ref), undefined);
    });
  });
});
