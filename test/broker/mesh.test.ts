// Does a running broker let exactly the declared peers into the mesh, and keep it so whatever others do?
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { MeshParts } from '../../src/broker/mesh-keeper.ts';
import { fingerprint } from '../../src/bundle/bundle.ts';
import { systemClock, untilAborted } from '../../src/federation/clock.ts';
import { known } from '../../src/federation/facts.ts';
import type { ServedAnchors } from '../../src/federation/mesh-ports.ts';
import type { MeshSurvey } from '../../src/federation/mesh-survey.ts';
import type { MeshAcceptance } from '../../src/federation/relationship.ts';
import { parseMeshContent } from '../../src/istio/mesh-content.ts';
import { openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import { CONFIG_MAPS, SECRETS } from '../../src/kubernetes/core-resources.ts';
import { MeshResources } from '../../src/kubernetes/mesh-objects.ts';
import { startFakeApiServer, type FakeApiServer } from '../fakes/fake-api-server.ts';
import { bundleOf, EAST, NORTH, peerOf, WEST } from '../federation/samples.ts';
import { ScriptedSource, startSide, until, type Side } from './side.ts';

const SHARED = { resource: CONFIG_MAPS, namespace: 'istio-system', name: 'istio-federation' };
const CONSTRAINED: MeshAcceptance = { anchors: 'Constrained', urgent: false, gatewayCas: [] };

/** One istiod without a revision, and nothing else that matters. */
function survey(): MeshSurvey {
  const at = systemClock.now();
  return {
    istiods: known([{ name: 'istiod', revision: 'default', environment: {}, unreadVariables: [] }], at),
    proxies: known({ certifiedBySpire: 0, certifiedByIstiod: 0, takingMeshRoots: 0, notTakingMeshRoots: [] }, at),
    ambientNamespaces: known([], at),
    spireAgent: undefined,
    authorizationPolicies: undefined,
    gateways: known([], at),
    serviceEntries: undefined,
    destinationRules: undefined,
  };
}

describe('a broker beside a mesh', () => {
  let side: Side;
  let source: ScriptedSource;
  let kube: FakeApiServer;
  let api: ApiServer;
  let mesh: MeshParts;
  let look: (() => void) | undefined;
  let serve: ((served: ServedAnchors) => void) | undefined;

  beforeEach(async () => {
    side = await startSide(EAST);
    source = new ScriptedSource();
    for (const name of [WEST, NORTH]) source.publish(peerOf(name).bundleEndpointUrl, bundleOf(name));
    kube = await startFakeApiServer([CONFIG_MAPS, SECRETS]);
    api = await openApiServer({ access: await kube.serviceAccount(), clock: systemClock, timeoutMs: 5_000 });
    const onFault = (error: unknown): never => {
      throw error;
    };
    mesh = {
      objects: new MeshResources({ api, clock: systemClock, random: Math.random, onFault }),
      surveys: {
        watch: async (report, signal) => {
          look = () => {
            report(survey());
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
});
