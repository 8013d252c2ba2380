// Does the broker reach a real API server as a pod does, and go on when its token is replaced and the old one refused?
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { peerDocument } from '../federation/peer-document.ts';
import { ROOT } from '../deploy/dockerfile.ts';
import { type Broker, startBroker } from './harness/broker.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { type KubeApiServer, startKubeApiServer } from './harness/kube-api-server.ts';
import { tryKubectl } from './harness/kubectl.ts';
import { type ServiceAccountVolume, serviceAccountVolume } from './harness/service-account-volume.ts';
import { startSpireServer } from './harness/spire-server.ts';
import { tempFolder } from './harness/temp-folder.ts';

const NAMESPACE = 'spire-server';
const IN_NAMESPACE = `--namespace=${NAMESPACE}`;

describe('in a pod', () => {
  const cleanup = new Cleanup();
  let kube: KubeApiServer;
  let volume: ServiceAccountVolume;
  let broker: Broker;
  let firstToken: string;

  before(async () => {
    kube = await startKubeApiServer(cleanup);
    await kube.kubectl(['create', 'namespace', NAMESPACE]);
    await kube.kubectl(['apply', '--server-side', '-f', join(ROOT, 'test/deploy/spire-server.yaml')]);
    await kube.kubectl(['apply', '--server-side', '-k', join(ROOT, 'deploy/kustomize/overlays/sidecar')]);
    volume = serviceAccountVolume(tempFolder(cleanup, 'service-account'));
    firstToken = await issueToken('first');
    mount(firstToken);
    const { hostname, port } = new URL(kube.url);
    const { env } = process;
    [env['KUBERNETES_SERVICE_HOST'], env['KUBERNETES_SERVICE_PORT']] = [hostname, port];
    broker = await startBroker(cleanup, await startSpireServer(cleanup, 'east.example'), {
      kubernetes: 'in-cluster',
      'service-account-directory': volume.directory,
      'replica-identity': 'spire-server-0',
    });
  });
  after(() => cleanup.run());

  /** By the API server itself. Bound to a Secret, as a pod's is to the pod: without it the token is refused. */
  async function issueToken(name: string): Promise<string> {
    await kube.kubectl(['create', 'secret', 'generic', name, IN_NAMESPACE]);
    const bound = ['--bound-object-kind=Secret', `--bound-object-name=${name}`];
    return (await kube.kubectl(['create', 'token', 'spire-server', IN_NAMESPACE, ...bound])).trim();
  }

  function mount(token: string): void {
    volume.write({ token, 'ca.crt': kube.caPem, namespace: NAMESPACE });
  }

  async function declare(name: string): Promise<void> {
    const spec = {
      trustDomain: `${name}.example`,
      bundleEndpointURL: 'https://127.0.0.1:1/',
      bundleEndpointProfile: { type: 'https_web' },
    };
    const input = JSON.stringify(peerDocument(name, spec));
    await kube.kubectl(['apply', '--server-side', '-f', '-'], { input });
    await eventually(`${name} has a status`, async () => {
      const { status } = await kube.kubectlJson<{ readonly status?: object }>(['get', 'ptd', name]);
      return status !== undefined;
    });
  }

  async function lease(): Promise<{ readonly holderIdentity?: string; readonly renewTime?: string }> {
    const { spec } = await kube.kubectlJson<{ readonly spec: object }>(['get', 'lease', 'fedbroker', IN_NAMESPACE]);
    return spec;
  }

  it('it leads by the Lease in the namespace of its service account', async () => {
    await eventually('the broker leads', async () => (await lease()).holderIdentity?.startsWith('spire-server-0_'));
    await declare('west');
  });

  it('it goes on with a new token when the old one is refused', async () => {
    mount(await issueToken('second'));
    await kube.kubectl(['delete', 'secret', 'first', IN_NAMESPACE]);
    const withOldToken = kube.kubeconfig({ token: firstToken });
    await eventually('the first token is refused', async () =>
      (await tryKubectl(withOldToken, ['get', 'ptd'])).stderr.includes('Unauthorized'),
    );
    const { renewTime } = await lease();
    await declare('south');
    await eventually('the Lease is renewed', async () => (await lease()).renewTime !== renewTime);
    assert.doesNotMatch(broker.log(), /KubeUnauthorized/);
  });
});
