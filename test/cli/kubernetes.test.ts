// Do the commands that look once read PeerTrustDomain objects as well as files, and say what is wrong with them?
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { serializeBundle } from '../../src/bundle/bundle-document.ts';
import type { ControllerManagerStanding } from '../../src/federation/controller-manager-standing.ts';
import { CLUSTER_SPIFFE_IDS } from '../../src/kubernetes/cluster-spiffeids.ts';
import { CONFIG_MAPS } from '../../src/kubernetes/core-resources.ts';
import { CLUSTER_FEDERATED_TRUST_DOMAINS } from '../../src/kubernetes/federated-trust-domains.ts';
import type { Resource } from '../../src/kubernetes/kube-object.ts';
import { DEPLOYMENTS, STATEFUL_SETS } from '../../src/kubernetes/workload-object.ts';
import { startSide, type Side } from '../broker/side.ts';
import { makeRoot, makeSvid } from '../fakes/fake-ca.ts';
import { startFakeApiServer, type FakeApiServer } from '../fakes/fake-api-server.ts';
import { kubeconfigOf } from '../fakes/fake-kubeconfig.ts';
import { startEndpoint, type FakeEndpoint } from '../fakes/hostile-endpoint.ts';
import { bundleOf, EAST, WEST } from '../federation/samples.ts';
import { specOf } from '../kubernetes/peer-objects.ts';
import { PEERS, placeOf } from '../kubernetes/west.ts';
import { fedbroker, type Result } from './fedbroker.ts';

describe('with --kubernetes kubeconfig', () => {
  let folder: string;
  let side: Side;
  let fake: FakeApiServer;
  let endpoint: FakeEndpoint;
  let westFile: string;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fb-cli-'));
    side = await startSide(EAST);
    fake = await startFakeApiServer([PEERS]);
    const root = await makeRoot(WEST);
    const document = serializeBundle({ ...bundleOf(WEST), x509Authorities: [root.der] }, { refreshHintSeconds: 300 });
    westFile = join(folder, 'west.json');
    writeFileSync(westFile, document);
    endpoint = await startEndpoint(await makeSvid(root, `spiffe://${WEST}/federation-broker`), (_request, response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(document),
    );
    const bundle = { resource: CONFIG_MAPS, namespace: 'spire', name: 'west-bundle', subresource: undefined };
    fake.store.create(
      bundle,
      { metadata: { name: 'west-bundle' }, data: { 'bundle.json': String(document) } },
      'kubectl',
    );
    declare('west', {
      bundleEndpointURL: endpoint.url,
      trustDomainBundle: { configMapRef: { namespace: 'spire', name: 'west-bundle', key: 'bundle.json' } },
      federatesWith: {
        entries: [{ spiffeID: `spiffe://${EAST}/**` }],
        clusterSPIFFEIDs: { matchLabels: { federate: 'west' } },
      },
    });
    await side.createEntry('/api');
  });
  afterEach(async () => {
    await endpoint.close();
    await fake.close();
    await side.stop();
    rmSync(folder, { recursive: true });
  });

  /** As `kubectl apply` leaves it: no broker has put its finalizer on it yet. */
  function declare(name: string, spec: Readonly<Record<string, unknown>> = {}): void {
    fake.store.create(placeOf(name), { metadata: { name }, spec: specOf(`${name}.example`, spec) }, 'kubectl');
  }

  function withObjects(...args: readonly string[]): Promise<Result> {
    const kubeconfig = join(folder, 'kubeconfig');
    writeFileSync(kubeconfig, kubeconfigOf(fake));
    const settings = ['--spire-socket', side.dev.socketPath, '--kubernetes', 'kubeconfig', '--kubeconfig', kubeconfig];
    return fedbroker([...args, ...settings]);
  }

  it('plan says what would change for the objects, and changes nothing anywhere', async () => {
    side.dev.record.forget();
    const { exitCode, stdout, stderr } = await withObjects('plan');
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /west \(west\.example\): accepted/);
    assert.match(stdout, /store {4}bundle of west\.example, sequence 7\n {11}\+ root [0-9a-f]{64}/);
    assert.match(stdout, /update {3}1 entries/);
    assert.deepEqual(side.dev.record.writes(), []);
    assert.deepEqual(new Set(fake.requests.map(({ verb }) => verb)), new Set(['list', 'get']));
  });

  it('plan counts with spire-controller-manager, as the broker does', async () => {
    fake.serve(CLUSTER_SPIFFE_IDS);
    fake.serve(CLUSTER_FEDERATED_TRUST_DOMAINS);
    const web = { resource: CLUSTER_SPIFFE_IDS, namespace: undefined, name: 'web', subresource: undefined };
    fake.store.create(web, { metadata: { name: 'web', labels: { federate: 'west' } }, spec: {} }, 'kubectl');
    const unset = await withObjects('plan');
    assert.match(unset.stdout, /^! controllerManager cannot be read: .*namespace and name of its ConfigMap/m);
    assert.match(unset.stdout, /^nothing to change/m);

    const config = { resource: CONFIG_MAPS, namespace: 'spire', name: 'manager', subresource: undefined };
    const data = { 'controller-manager-config.yaml': `trustDomain: ${EAST}\nentryIDPrefix: cluster` };
    fake.store.create(config, { metadata: { name: 'manager' }, data }, 'kubectl');
    const { exitCode, stdout, stderr } = await withObjects('plan', '--controller-manager-config', 'spire/manager');
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /update {3}1 ClusterSPIFFEIDs; the entries made of them follow\n {11}web: \+west\.example/);
    assert.match(stdout, /update {3}1 entries/);
    assert.deepEqual(new Set(fake.requests.map(({ verb }) => verb)), new Set(['list', 'get']));
  });

  it('plan says where spire-controller-manager runs, and plans the same where that cannot be seen', async () => {
    fake.serve(CLUSTER_SPIFFE_IDS);
    fake.serve(CLUSTER_FEDERATED_TRUST_DOMAINS);
    for (const resource of [DEPLOYMENTS, STATEFUL_SETS]) fake.serve(resource);
    const place = (resource: Resource, name: string) => ({
      resource,
      namespace: 'spire',
      name,
      subresource: undefined,
    });
    const data = { 'controller-manager-config.yaml': `trustDomain: ${EAST}\nentryIDPrefix: cluster` };
    fake.store.create(place(CONFIG_MAPS, 'manager'), { metadata: { name: 'manager' }, data }, 'kubectl');
    const plan = (...args: readonly string[]) =>
      withObjects('plan', '--controller-manager-config', 'spire/manager', ...args);
    const missing = await plan();
    assert.match(missing.stdout, /^spire-controller-manager \(NotFound\): no Deployment and no StatefulSet /m);

    const containers = [{ name: 'spire-controller-manager', image: 'scm:0.6.6', args: ['--config=x'] }];
    const object = { spec: { template: { spec: { containers } } }, status: { readyReplicas: 1 } };
    fake.store.create(place(STATEFUL_SETS, 'server'), { metadata: { name: 'server' }, ...object }, 'kubectl');
    const found = await plan();
    const line = 'StatefulSet spire/server runs scm:0.6.6 with --config=x, 1 of 1 replicas ready';
    assert.ok(found.stdout.startsWith(`spire-controller-manager (Running): ${line}\n`), found.stdout);

    fake.isAllowed = ({ resource }) => resource !== 'statefulsets';
    const refused = await plan('--output', 'json');
    const { steps, controllerManager } = JSON.parse(refused.stdout) as {
      readonly steps: readonly unknown[];
      readonly controllerManager: ControllerManagerStanding;
    };
    assert.equal(controllerManager.state, 'Unknown');
    assert.match(controllerManager.message, /grant verb "list" on resource "statefulsets"/);
    assert.equal(refused.exitCode, 0, refused.stderr);
    assert.ok(steps.length > 0);
  });

  it('plan knows the bundle that SPIRE begins with where it fetches itself', async () => {
    const inline = readFileSync(westFile, 'utf8');
    declare('north', { mode: 'Delegate', trustDomainBundle: { inline } });
    const { exitCode, stdout, stderr } = await withObjects('plan');
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /^create {3}relationship with north\.example/m);
  });

  it('run says that it needs a namespace for its Lease, which plan does without', async () => {
    const endpoints = ['--serve-spiffe-address=off', '--admin-address=off'];
    const { exitCode, stderr } = await withObjects('run', ...endpoints);
    assert.equal(exitCode, 1);
    assert.match(stderr, /^fedbroker run: KubeConfigInvalid: the namespace of the Lease .* set kubernetesNamespace/);
  });

  it('plan names the objects that do not count, plans the others, and exits 1', async () => {
    declare('north', { federatesWith: { entries: [{ spiffeID: 'spiffe://elsewhere.example/**' }] } });
    const { exitCode, stdout, stderr } = await withObjects('plan');
    assert.equal(exitCode, 1);
    assert.match(stderr, /^PeerTrustDomain north: Invalid: .*elsewhere\.example/);
    assert.match(stdout, /west \(west\.example\): accepted/);
  });

  it('plan says which right is missing when the objects may not be read', async () => {
    fake.isAllowed = () => false;
    const { exitCode, stdout, stderr } = await withObjects('plan');
    assert.equal(exitCode, 1);
    assert.match(stderr, /^fedbroker plan: KubeForbidden: .*list.*peertrustdomains/);
    assert.equal(stdout, '');
  });

  it('plan says that the API server does not answer', async () => {
    await fake.stop();
    const { exitCode, stderr } = await withObjects('plan');
    assert.equal(exitCode, 1);
    assert.match(stderr, /^fedbroker plan: KubeUnreachable: /);
  });

  it('rebootstrap knows the peers of the objects', async () => {
    const dry = await withObjects('rebootstrap', 'west', '--bundle', westFile, '--dry-run');
    assert.equal(dry.exitCode, 0, dry.stderr);
    assert.equal(await side.spire.getFederatedBundle(WEST), undefined);
    const done = await withObjects('rebootstrap', 'west', '--bundle', westFile);
    assert.equal(done.exitCode, 0, done.stderr);
    assert.equal((await side.spire.getFederatedBundle(WEST))?.sequenceNumber, 7n);
  });

  it('rebootstrap names the declared ones when there is no such peer', async () => {
    const { exitCode, stderr } = await withObjects('rebootstrap', 'south', '--bundle', westFile);
    assert.equal(exitCode, 2);
    assert.match(stderr, /no peer "south" is declared by a PeerTrustDomain object; declared are: west/);
  });
});
