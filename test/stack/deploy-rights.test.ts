// Does the broker do its work with the rights that the sidecar overlay gives its service account, and miss none?
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ROOT } from '../deploy/dockerfile.ts';
import { type Broker, startBroker } from './harness/broker.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { type KubeApiServer, startKubeApiServer } from './harness/kube-api-server.ts';
import { tryKubectl } from './harness/kubectl.ts';
import { startSpireServer } from './harness/spire-server.ts';

interface Peer {
  readonly metadata: { readonly finalizers?: readonly string[] };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly reason: string }[] };
}

describe('with the rights of the sidecar overlay', () => {
  const cleanup = new Cleanup();
  let kube: KubeApiServer;
  let broker: Broker;

  before(async () => {
    kube = await startKubeApiServer(cleanup);
    await kube.kubectl(['create', 'namespace', 'spire-server']);
    await kube.kubectl(['apply', '--server-side', '-f', join(ROOT, 'test/deploy/spire-server.yaml')]);
    await kube.kubectl(['apply', '--server-side', '-k', join(ROOT, 'deploy/kustomize/overlays/sidecar')]);
    const account = { namespace: 'spire-server', name: 'spire-server' };
    const kubeconfig = kube.kubeconfig({ token: await kube.serviceAccountToken(account, 3600) });
    broker = await startBroker(cleanup, await startSpireServer(cleanup, 'east.example'), {
      kubernetes: 'kubeconfig',
      kubeconfig,
      'kubernetes-namespace': 'spire-server',
      'replica-identity': 'spire-server-0',
    });
  });

  after(async () => {
    await cleanup.run();
  });

  const west = () => kube.kubectlJson<Peer>(['get', 'ptd', 'west']);

  it('it holds the Lease', async () => {
    const get = ['get', 'lease', 'fedbroker', '--namespace=spire-server'];
    await eventually('the broker leads', async () => {
      const { spec } = await kube.kubectlJson<{ readonly spec: { readonly holderIdentity?: string } }>(get);
      return spec.holderIdentity?.startsWith('spire-server-0') === true;
    });
  });

  it('it puts the finalizer on the sample, writes its status and tells of it in an event', async () => {
    await kube.kubectl(['apply', '--server-side', '-f', join(ROOT, 'deploy/samples/east')]);
    await eventually('the peer has a status and the finalizer', async () => {
      const { metadata, status } = await west();
      const isJudged = status?.conditions?.some(({ type }) => type === 'Ready') === true;
      return isJudged && metadata.finalizers?.join() === 'fedbroker.dev/unfederate';
    });
    await eventually('there is an event', async () =>
      (await kube.kubectl(['get', 'events.events.k8s.io', '--namespace=default'])).includes('peertrustdomain/west'),
    );
  });

  it('it reads the ConfigMap that the sample names, as soon as there is one', async () => {
    const reason = async () => (await west()).status?.conditions?.find(({ type }) => type === 'BundleFetched')?.reason;
    await eventually('the ConfigMap is missed', async () => (await reason()) === 'BootstrapUnreadable');
    const file = `--from-file=bundle.json=${join(ROOT, 'test/vectors/bundle/CertificateMissing-pass.json')}`;
    await kube.kubectl(['create', 'configmap', 'west-bundle', '--namespace=spire-server', file]);
    // Then it fails at the endpoint, which is nowhere.
    const later = /"trustDomain":"west\.example","reason":"(?!BootstrapUnreadable)\w+","msg":"fetch failed/;
    await eventually('it is found', () => later.test(broker.log()));
  });

  it('it lets the object go when it is deleted', async () => {
    await kube.kubectl(['delete', 'ptd', 'west', '--timeout=30s']);
    assert.match((await tryKubectl(kube.kubeconfigPath, ['get', 'ptd', 'west'])).stderr, /NotFound/);
  });

  it('it was refused nothing', () => {
    assert.doesNotMatch(broker.log(), /KubeForbidden/);
  });
});
