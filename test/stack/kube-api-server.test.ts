// Does a real Kubernetes API server come up, say no as recorded, survive crashes with its objects, and leave nothing?
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Beacon, beacon, BEACONS_PATH } from './harness/beacon-resource.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { type Helm, helmOf } from './harness/helm.ts';
import { type KubeApiServer, startKubeApiServer } from './harness/kube-api-server.ts';
import { kubeRequest } from './harness/kube-request.ts';
import { kubectl, tryKubectl } from './harness/kubectl.ts';
import { TOKEN_LEEWAY_SECONDS } from './harness/service-account-token.ts';
import { tempFolder } from './harness/temp-folder.ts';
import { askForStatusAnswers, STATUS_ANSWERS_FILE, type StatusAnswer } from './status-answers.ts';

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('a real API server', () => {
  const cleanup = new Cleanup();
  let server: KubeApiServer;
  let answers: readonly StatusAnswer[];

  before(async () => {
    server = await startKubeApiServer(cleanup);
    answers = await askForStatusAnswers(server);
  });

  after(async () => {
    const pids = [server.pid(), server.etcd.pid()];
    await cleanup.run();
    assert.deepEqual(pids.filter(isRunning), []);
    assert.ok(!existsSync(server.folder));
  });

  const apply = (object: object, ...options: readonly string[]): Promise<string> =>
    server.kubectl(['apply', '--server-side', ...options, '-f', '-'], { input: JSON.stringify(object) });
  const readBeacon = (name: string): Promise<Beacon> => server.kubectlJson<Beacon>(['get', 'beacon', name]);

  it('is the version that it says it is, as is kubectl', async () => {
    interface Versions {
      readonly clientVersion: { readonly gitVersion: string };
      readonly serverVersion: { readonly gitVersion: string };
    }
    const { clientVersion, serverVersion } = await server.kubectlJson<Versions>(['version']);
    assert.deepEqual([clientVersion.gitVersion, serverVersion.gitVersion], ['v1.36.3', 'v1.36.3']);
  });

  it('says no exactly as recorded for the fake one', () => {
    assert.deepEqual(answers, JSON.parse(readFileSync(STATUS_ANSWERS_FILE, 'utf8')));
  });

  it('refuses a user without rights by name, verb and resource, until a role gives the right', async () => {
    const reader = await server.userKubeconfig({ user: 'reader', groups: ['visitors'] });
    const refused = await tryKubectl(reader, ['get', 'beacons']);
    assert.equal(refused.exitCode, 1);
    assert.equal(
      refused.stderr.trim(),
      'Error from server (Forbidden): beacons.stack.test is forbidden: User "reader" cannot list resource "beacons" ' +
        'in API group "stack.test" at the cluster scope',
    );

    await server.kubectl(['create', 'clusterrole', 'readers', '--verb=get,list', '--resource=beacons.stack.test']);
    await server.kubectl(['create', 'clusterrolebinding', 'readers', '--clusterrole=readers', '--group=visitors']);
    const listed = await eventually('the role counts', () => kubectl(reader, ['get', 'bcn', 'tower']));
    assert.match(listed, /^NAME +COLOUR\ntower +red\n$/);
    assert.match((await tryKubectl(reader, ['delete', 'beacon', 'tower'])).stderr, /cannot delete resource "beacons"/);
  });

  it('knows a pod by its token, and nobody by one that has expired or whose service account is gone', async () => {
    const account = { namespace: 'default', name: 'broker' };
    await server.kubectl(['create', 'serviceaccount', account.name]);
    const tokenFile = join(server.folder, 'token');
    const pod = server.kubeconfig({ tokenFile });
    const whoAmI = async (token: string): Promise<readonly [status: number, body: string]> => {
      writeFileSync(tokenFile, token);
      const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
      const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
      const answer = await kubeRequest(pod, { method: 'POST', path, body });
      return [answer.status, answer.body];
    };
    const [status, body] = await whoAmI(await server.serviceAccountToken(account, 60));
    assert.equal(status, 201);
    assert.match(body, /"username":"system:serviceaccount:default:broker"/);
    assert.equal((await whoAmI(await server.serviceAccountToken(account, -TOKEN_LEEWAY_SECONDS)))[0], 401);

    const earlier = await server.serviceAccountToken(account, 60);
    await server.kubectl(['delete', 'serviceaccount', account.name]);
    await eventually('the token of a deleted account is refused', async () => (await whoAmI(earlier))[0] === 401);
  });

  it('lets two managers own a field each, and keeps status apart from spec', async () => {
    await apply(beacon('shared', { colour: 'red' }), '--field-manager=first');
    await apply(beacon('shared', { colour: 'red', height: 3 }), '--field-manager=second');
    const status = { ...beacon('shared', { colour: 'red' }), status: { lit: true } };
    await apply(status, '--field-manager=third', '--subresource=status');
    assert.deepEqual((await readBeacon('shared')).status, { lit: true });

    await apply(beacon('shared', { colour: 'red' }), '--field-manager=second');
    assert.deepEqual((await readBeacon('shared')).spec, { colour: 'red' });
  });

  it('keeps leases and events, though nothing else of Kubernetes runs', async () => {
    const metadata = { namespace: 'default', name: 'broker' };
    const spec = { holderIdentity: 'one', leaseDurationSeconds: 15, renewTime: '2040-01-01T00:00:00.000000Z' };
    await apply({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec });
    const event = {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata,
      eventTime: '2040-01-01T00:00:00.000000Z',
      type: 'Warning',
      reason: 'Conflict',
      action: 'Reconcile',
      note: 'two of a kind',
      reportingController: 'stack.test/broker',
      reportingInstance: 'one',
      regarding: { apiVersion: 'stack.test/v1', kind: 'Beacon', name: 'tower' },
    };
    await server.kubectl(['create', '-f', '-'], { input: JSON.stringify(event) });
    assert.match(await server.kubectl(['get', 'lease', 'broker']), /broker +one/);
    assert.match(await server.kubectl(['get', 'events']), /Warning +Conflict +beacon\/tower +two of a kind/);
  });

  it('keeps its objects through a crash of etcd and one of its own', async () => {
    const before = await readBeacon('tower');
    await server.etcd.kill();
    const unwritten = { method: 'POST', path: BEACONS_PATH, body: beacon('lost', { colour: 'red' }), timeoutMs: 2_000 };
    await assert.rejects(kubeRequest(server.kubeconfigPath, unwritten), /abort/i);
    assert.equal((await kubeRequest(server.kubeconfigPath, { path: '/readyz' })).status, 500);
    await server.etcd.restart();
    assert.deepEqual(await eventually('the API server has found etcd again', () => readBeacon('tower')), before);

    await server.kill();
    await assert.rejects(readBeacon('tower'), /connection to the server .* was refused/);
    await server.restart();
    assert.deepEqual(await readBeacon('tower'), before);
  });

  it('cannot be reached while it is stopped', async () => {
    await server.stop();
    await assert.rejects(kubeRequest(server.kubeconfigPath, { path: '/readyz' }), /ECONNREFUSED/);
    await server.restart();
  });

  describe('and a real helm', () => {
    let helm: Helm;
    let chart: string;

    before(() => {
      helm = helmOf(cleanup);
      chart = join(tempFolder(cleanup, 'chart'), 'chart');
      mkdirSync(join(chart, 'templates'), { recursive: true });
      writeFileSync(join(chart, 'Chart.yaml'), JSON.stringify({ apiVersion: 'v2', name: 'lamps', version: '0.1.0' }));
      const metadata = { name: '{{ .Release.Name }}' };
      const data = { kubernetes: '{{ .Capabilities.KubeVersion }}' };
      const template = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data };
      writeFileSync(join(chart, 'templates/lamp.yaml'), JSON.stringify(template));
    });

    it('is the version that it says it is, and renders for the Kubernetes it was released with', async () => {
      assert.match(await helm(['version', '--short']), /^v3\.19\.0\b/);
      assert.match(await helm(['template', 'lamp', chart]), /"kubernetes":"v1\.34\.0"/);
    });

    it('installs a chart and takes it away again', async () => {
      const cluster = `--kubeconfig=${server.kubeconfigPath}`;
      await helm(['install', 'lamp', chart, cluster]);
      const { data } = await server.kubectlJson<{ readonly data: object }>(['get', 'configmap', 'lamp']);
      assert.deepEqual(data, { kubernetes: 'v1.36.3' });
      await helm(['uninstall', 'lamp', cluster]);
      assert.match((await tryKubectl(server.kubeconfigPath, ['get', 'configmap', 'lamp'])).stderr, /NotFound/);
    });
  });
});
