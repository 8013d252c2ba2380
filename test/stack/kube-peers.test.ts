// Do PeerTrustDomain objects on a real API server become declarations, good ones for good and bad ones not at all?
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseTrustDomain, type TrustDomain } from '../../src/bundle/trust-domain.ts';
import { systemClock } from '../../src/federation/clock.ts';
import { AnnotationRequests } from '../../src/kubernetes/annotation-requests.ts';
import { openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import { BootstrapSources } from '../../src/kubernetes/bootstrap-sources.ts';
import type { DeclaredObject } from '../../src/kubernetes/declared-object.ts';
import { UNFEDERATE } from '../../src/kubernetes/finalizer.ts';
import { Finalizers } from '../../src/kubernetes/finalizers.ts';
import { judgeObjects, NO_MEMORY } from '../../src/kubernetes/judge-objects.ts';
import type { KubeError } from '../../src/kubernetes/kube-error.ts';
import { BROKER_OF } from '../../src/kubernetes/managed-by.ts';
import { PeerResources } from '../../src/kubernetes/peer-resources.ts';
import { PEER_TRUST_DOMAIN } from '../../src/kubernetes/peer-trust-domain.ts';
import { known } from '../../src/federation/facts.ts';
import { peerDocument } from '../federation/peer-document.ts';
import { factsOf } from '../federation/samples.ts';
import { BAD_DECLARATIONS, GOOD_DECLARATIONS, type DeclaredDocument } from '../kubernetes/declaration-vectors.ts';
import { specOf } from '../kubernetes/peer-objects.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { type KubeApiServer, startKubeApiServer } from './harness/kube-api-server.ts';
import { tryKubectl } from './harness/kubectl.ts';
import { untilServed } from './harness/until-served.ts';

const CRD = join(import.meta.dirname, '../../deploy/crd/peertrustdomains.fedbroker.dev.yaml');
// The entry patterns of the examples are in this one.
const OWN = parseTrustDomain('east.example');

function document(name: string, trustDomain = `${name}.example`, more = {}): DeclaredDocument {
  return peerDocument(name, specOf(trustDomain, more));
}

describe('PeerTrustDomain objects on a real API server', () => {
  const cleanup = new Cleanup();
  const stop = new AbortController();
  const faults: unknown[] = [];
  const requested: string[] = [];
  const changedBootstraps: TrustDomain[] = [];
  let server: KubeApiServer;
  let api: ApiServer;
  let resources: PeerResources;
  let finalizers: Finalizers;
  let declared: readonly string[] = [];
  let incompleteBecause: string | undefined;
  const ended: Promise<unknown>[] = [];

  before(async () => {
    server = await startKubeApiServer(cleanup);
    await server.kubectl(['apply', '-f', CRD]);
    await untilServed(server, 'peertrustdomains.fedbroker.dev');
    const clock = systemClock;
    api = await openApiServer({ access: { path: server.kubeconfigPath }, clock, timeoutMs: 10_000 });
    const onFault = (error: unknown) => faults.push(error);
    resources = new PeerResources({
      api,
      clock,
      random: Math.random,
      ownTrustDomain: OWN,
      onReading: () => undefined,
      onFault,
    });
    finalizers = new Finalizers({
      api,
      clock,
      ownTrustDomain: OWN,
      readAnew: (signal) => resources.readAnew(signal),
      onError: (error) => faults.push(error),
    });
    const sources = new BootstrapSources({
      api,
      clock,
      random: Math.random,
      onBootstrapChanged: (trustDomain) => changedBootstraps.push(trustDomain),
      onError: onFault,
      onFault,
    });
    const requests = new AnnotationRequests({
      onRefresh: ({ trustDomain }) => requested.push(`refresh ${trustDomain}`),
      onRebootstrap: ({ trustDomain }) => requested.push(`rebootstrap ${trustDomain}`),
    });
    ended.push(
      resources.run(stop.signal),
      finalizers.run(stop.signal),
      resources.watchObjects((objects) => {
        finalizers.noteObjects(objects);
        requests.update(objects);
      }, stop.signal),
      resources.watch((report) => {
        if (report instanceof Error) return void faults.push(report);
        declared = report.peers.map(({ name }) => name);
        incompleteBecause = report.incompleteBecause;
        sources.follow(report.peers);
      }, stop.signal),
    );
    cleanup.add(() => sources.stop());
  });

  after(async () => {
    stop.abort();
    await Promise.all(ended);
    await cleanup.run();
    api.close();
    assert.deepEqual(faults, []);
  });

  const apply = (object: object) => server.kubectl(['apply', '-f', '-'], { input: JSON.stringify(object) });
  const stateOf = (name: string): DeclaredObject | undefined =>
    resources.objects().find(({ object }) => object.metadata.name === name);
  const isDeclared = (name: string) => eventually(`${name} is declared`, () => declared.includes(name));
  const isThere = async (name: string) =>
    (await tryKubectl(server.kubeconfigPath, ['get', 'ptd', name])).exitCode === 0;

  /** A pass whose facts have nothing in SPIRE's record but these. */
  function passEnded(managed: readonly TrustDomain[]): void {
    const now = new Date();
    const facts = factsOf(
      { managed: new Map(managed.map((name) => [name, 'Own'])) },
      { now, declared: known({ peers: [], incompleteBecause: undefined }, now) },
    );
    finalizers.notePass({
      facts,
      plan: { steps: [], peers: [], removed: managed, heldRemovals: [], waitingRemovals: [] },
    });
  }

  async function letGo(name: string): Promise<void> {
    await server.kubectl(['delete', 'ptd', name, '--wait=false', '--ignore-not-found']);
    await eventually(`${name} is gone`, async () => {
      passEnded([]);
      return !(await isThere(name));
    });
  }

  it('are declared once the finalizer is on them', async () => {
    await apply(document('good'));
    await isDeclared('good');
    const { metadata } = await server.kubectlJson<{ metadata: { finalizers: string[] } }>(['get', 'ptd', 'good']);
    assert.deepEqual(metadata.finalizers, [UNFEDERATE]);
    assert.equal(incompleteBecause, undefined);
  });

  it('have one broker each where brokers of two trust domains share a cluster, and the other one leaves them alone', async () => {
    const [name, other] = ['shared', 'of-south'];
    const south = parseTrustDomain('south.test');
    const faultsOfSouth: KubeError[] = [];
    const patches: string[] = [];
    const jsonPatch: ApiServer['jsonPatch'] = (ref, ...rest) => {
      patches.push(ref.name);
      return api.jsonPatch(ref, ...rest);
    };
    const late = new Finalizers({
      api: { jsonPatch },
      clock: systemClock,
      ownTrustDomain: south,
      readAnew: () => Promise.resolve(),
      onError: (error) => faultsOfSouth.push(error),
    });
    ended.push(late.run(stop.signal));
    await apply(document(name));
    await isDeclared(name);
    const bySouth = document(other);
    await apply({ ...bySouth, metadata: { ...bySouth.metadata, annotations: { [BROKER_OF]: south } } });
    const { items } = await api.list({ resource: PEER_TRUST_DOMAIN });
    const { objects } = judgeObjects(items, NO_MEMORY, south);
    assert.deepEqual(
      objects.map(({ object }) => object.metadata.name),
      [other],
    );
    late.noteObjects(objects);
    await eventually('the other broker has its object', async () => {
      const { metadata } = await server.kubectlJson<{ metadata: { finalizers?: string[] } }>(['get', 'ptd', other]);
      return metadata.finalizers?.includes(UNFEDERATE) === true;
    });
    const { metadata } = await server.kubectlJson<{ metadata: { annotations: object } }>(['get', 'ptd', name]);
    assert.equal((metadata.annotations as Record<string, string>)[BROKER_OF], OWN);
    assert.deepEqual(
      [stateOf(other), declared.includes(other), patches, faultsOfSouth],
      [undefined, false, [other], []],
    );
    await server.kubectl(['patch', 'ptd', other, '--type=merge', '-p', '{"metadata":{"finalizers":null}}']);
    await server.kubectl(['delete', 'ptd', other]);
    await letGo(name);
  });

  for (const { because, document: example, before: earlier, brokerSays, apiServerSays } of BAD_DECLARATIONS) {
    it(`are refused, with the good one untouched: ${because}`, async () => {
      const { name } = example.metadata;
      if (earlier !== undefined) await apply(earlier);
      const input = JSON.stringify(example);
      const { exitCode, stderr } = await tryKubectl(server.kubeconfigPath, ['apply', '-f', '-'], { input });
      if (apiServerSays !== undefined) {
        assert.notEqual(exitCode, 0, 'the API server takes it');
        assert.match(stderr, apiServerSays);
      } else {
        assert.equal(exitCode, 0, stderr);
        const refused = await eventually('the broker refuses it', () => {
          const { state } = stateOf(name) ?? {};
          return state?.kind === 'Refused' ? state : undefined;
        });
        if (brokerSays !== undefined) assert.match(refused.message, brokerSays);
        assert.ok(!declared.includes(name));
      }
      assert.ok(declared.includes('good'));
      if (earlier !== undefined || exitCode === 0) await letGo(name);
    });
  }

  for (const { because, places, document: example } of GOOD_DECLARATIONS) {
    if (!places.includes('Kubernetes')) continue;
    it(`are in force: ${because}`, async () => {
      const { name } = example.metadata;
      await apply(example);
      await isDeclared(name);
      await letGo(name);
    });
  }

  it('keep their finalizer until their removal is verified', async () => {
    await apply(document('leaving'));
    await isDeclared('leaving');
    await server.kubectl(['delete', 'ptd', 'leaving', '--wait=false']);
    await eventually('it is no longer declared', () => !declared.includes('leaving'));
    passEnded([parseTrustDomain('leaving.example')]);
    await apply(document('after'));
    await isDeclared('after');
    assert.ok(await isThere('leaving'), 'its trust domain is still recorded');
    await letGo('leaving');
    await letGo('after');
  });

  it('are refused as a conflict when an older one has the trust domain, and take over when that one goes', async () => {
    await apply(document('older', 'shared.example'));
    await isDeclared('older');
    // The API server's times are of whole seconds.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await apply(document('younger', 'shared.example'));
    const refused = await eventually('the conflict is seen', () => {
      const { state } = stateOf('younger') ?? {};
      return state?.kind === 'Refused' ? state : undefined;
    });
    assert.equal(refused.reason, 'Conflict');
    assert.match(refused.message, /shared\.example is already declared in PeerTrustDomain "older"/);
    await server.kubectl(['delete', 'ptd', 'older', '--timeout=20s']);
    await isDeclared('younger');
    await letGo('younger');
  });

  it('are asked to do something by annotations, once a value', async () => {
    for (const value of ['1', '1', '2']) {
      await server.kubectl(['annotate', 'ptd', 'good', '--overwrite', `fedbroker.dev/refresh=${value}`]);
    }
    await server.kubectl(['annotate', 'ptd', 'good', 'fedbroker.dev/rebootstrap=1', 'fedbroker.dev/accept-digest=abc']);
    await eventually('all was asked', () => requested.includes('rebootstrap good.example'));
    assert.equal(requested.filter((each) => each === 'refresh good.example').length, 2);
    const { state } = stateOf('good')!;
    assert.ok(state.kind === 'Refused' && state.inForce !== undefined);
    assert.match(state.message, /accept-digest: must be the SHA-256/);
    assert.ok(declared.includes('good'));
    await server.kubectl(['annotate', 'ptd', 'good', '--overwrite', `fedbroker.dev/accept-digest=${'ab'.repeat(32)}`]);
    await eventually('the digest counts', () => {
      const now = stateOf('good')?.state;
      return now?.kind === 'InForce' && now.peer.acceptDigest === 'ab'.repeat(32);
    });
  });

  it('begin with the bundle of a ConfigMap, and its change is seen', async () => {
    const configMap = (content: string) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace: 'default', name: 'roots' },
      data: { 'bundle.json': content },
    });
    const configMapRef = { namespace: 'default', name: 'roots', key: 'bundle.json' };
    const source = { type: 'configMap', ...configMapRef } as const;
    await assert.rejects(resources.readBootstrap(source), /configmaps "roots" in namespace "default" does not exist/);
    await apply(document('begins', 'begins.example', { trustDomainBundle: { configMapRef } }));
    await isDeclared('begins');
    for (const content of ['one', 'two']) {
      changedBootstraps.length = 0;
      await apply(configMap(content));
      await eventually('the change is seen', () => changedBootstraps.length > 0);
      assert.deepEqual(changedBootstraps, ['begins.example']);
      assert.equal(Buffer.from(await resources.readBootstrap(source)).toString(), content);
    }
    await letGo('begins');
  });

  it('stay declared while the API server is away', async () => {
    await server.kill();
    await eventually('the loss is noticed', () => resources.error !== undefined);
    assert.ok(declared.includes('good'));
    await server.restart();
    await apply(document('later'));
    await isDeclared('later');
    assert.equal(resources.error, undefined);
    assert.ok(declared.includes('good'));
  });
});
