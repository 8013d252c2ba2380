// Is a mesh on a real API server surveyed, and its ConfigMap kept, with the rights that deploy/rbac/istio gives and no
// others?
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { systemClock } from '../../src/federation/clock.ts';
import type { MeshObjectRef } from '../../src/federation/mesh-objects.ts';
import { openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import { PODS } from '../../src/kubernetes/mesh-proxies.ts';
import { MeshResources } from '../../src/kubernetes/mesh-objects.ts';
import { kubeError } from '../contract/kube-subject.ts';
import { describeSurvey, readSurvey, valueOf } from '../contract/mesh-survey-contract.ts';
import { STANDING } from '../contract/mesh-survey-objects.ts';
import { ROOT } from '../deploy/dockerfile.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { applyIstioCrds } from './harness/istio-crds.ts';
import { startKubeApiServer, type KubeApiServer } from './harness/kube-api-server.ts';

const BROKER = 'system:serviceaccount:spire-server:spire-federation-broker';
const CONTENT = { data: { mesh: 'caCertificates: []\n' }, annotations: {} };
const inIstioSystem = (name: string): MeshObjectRef => ({ kind: 'ConfigMap', namespace: 'istio-system', name });

describe('a mesh on a real API server', () => {
  const cleanup = new Cleanup();
  let server: KubeApiServer;
  let admin: ApiServer;
  let api: ApiServer;
  let objects: MeshResources;

  before(async () => {
    server = await startKubeApiServer(cleanup, { name: 'survey' });
    const open = async (path: string) => {
      const opened = await openApiServer({ access: { path }, clock: systemClock, timeoutMs: 10_000 });
      cleanup.add(() => {
        opened.close();
      });
      return opened;
    };
    admin = await open(server.kubeconfigPath);
    api = await open(await server.userKubeconfig({ user: BROKER }));
    await applyIstioCrds(server);
    await server.kubectl(['create', 'namespace', 'spire-server']);
    for (const { resource, object } of STANDING) {
      await eventually(`${resource.kind} ${object.metadata.name} is there`, () => admin.create(resource, object));
    }
    const agent = ['agent', '--namespace=spire-system'];
    await server.kubectl(['create', 'role', ...agent, '--verb=get', '--resource=configmaps']);
    await server.kubectl(['create', 'rolebinding', ...agent, '--role=agent', `--user=${BROKER}`]);
    await server.kubectl(['apply', '--server-side', '-k', join(ROOT, 'deploy/rbac/istio')]);
    const onFault = (error: unknown) => {
      throw error;
    };
    objects = new MeshResources({
      api,
      clock: systemClock,
      random: () => 0.1,
      onFault,
      ownTrustDomain: parseTrustDomain('east.test'),
    });
  });
  after(() => cleanup.run());

  describeSurvey(() => api);

  it('leaves out pods that have ended', async () => {
    const before = valueOf((await readSurvey(api)).proxies);
    const status = JSON.stringify({ status: { phase: 'Succeeded' } });
    await server.kubectl([
      'patch',
      'pod',
      'by-spire',
      '--namespace=shop',
      '--subresource=status',
      '--type=merge',
      '-p',
      status,
    ]);
    assert.equal(valueOf((await readSurvey(api)).proxies).certifiedBySpire, before.certifiedBySpire - 1);
  });

  it('counts pods of many pages', async () => {
    const before = valueOf((await readSurvey(api)).proxies);
    const [{ object } = { object: undefined }] = STANDING.filter(
      ({ object: { metadata } }) => metadata.name === 'by-istiod',
    );
    assert.ok(object);
    const metadata = { namespace: 'shop', labels: {} };
    await Promise.all(
      Array.from({ length: 250 }, (_, index) =>
        admin.create(PODS, { ...object, metadata: { ...metadata, name: `many-${index}` } }),
      ),
    );
    assert.equal(valueOf((await readSurvey(api)).proxies).takingMeshRoots, before.takingMeshRoots + 250);
  });

  it('lets the broker create, take back and restore its ConfigMap', async () => {
    const ref = inIstioSystem('istio-federation');
    const first = await objects.apply(ref, CONTENT);
    await server.kubectl(['delete', 'configmap', ref.name, '--namespace=istio-system']);
    assert.notEqual((await objects.apply(ref, CONTENT)).uid, first.uid);
    const edit = JSON.stringify({ data: { mesh: 'theirs' } });
    await server.kubectl(['patch', 'configmap', ref.name, '--namespace=istio-system', '--type=merge', '-p', edit]);
    assert.deepEqual((await objects.apply(ref, CONTENT, { takeBack: true })).data, CONTENT.data);
  });

  it('lets the broker create no other there, and change none of istiod’s', async () => {
    const forbidden = kubeError('KubeForbidden');
    await assert.rejects(objects.apply(inIstioSystem('other'), CONTENT), forbidden);
    await server.kubectl(['create', 'configmap', 'istio', '--namespace=istio-system', '--from-literal=mesh=a']);
    const told: unknown[] = [];
    const stop = new AbortController();
    const running = objects.watch(inIstioSystem('istio'), (found) => told.push(found), stop.signal);
    await eventually('it is read', () => told.length > 0);
    stop.abort();
    await running;
    const [base] = told as Parameters<MeshResources['replaceKey']>[0][];
    assert.equal(base?.data['mesh'], 'a');
    await assert.rejects(objects.replaceKey(base, { key: 'mesh', text: 'b', annotations: {} }), forbidden);
    await assert.rejects(objects.apply(inIstioSystem('cacerts'), CONTENT), forbidden);
  });
});
