// Does the real kubectl install, change and take away the broker as docs/kubernetes.md says?
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ROOT } from '../deploy/dockerfile.ts';
import {
  ALL_RIGHTS,
  brokerContainer,
  type Manifest,
  oneOf,
  parseManifests,
  readManifests,
  rightsOf,
} from '../deploy/manifest.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { type KubeApiServer, startKubeApiServer } from './harness/kube-api-server.ts';
import { tryKubectl } from './harness/kubectl.ts';
import { tempFolder } from './harness/temp-folder.ts';

const OVERLAYS = join(ROOT, 'deploy/kustomize/overlays');
const SIDECAR_PATCH = join(OVERLAYS, 'sidecar/spire-server.patch.yaml');
const SOCKET_PATCH = join(OVERLAYS, 'deployment/spire-server-socket.patch.yaml');
const SPIRE_SERVER = 'test/deploy/spire-server.yaml';
const SOCKET_VOLUME = 'spire-server-socket';

type Request = readonly [verb: string, group: string, resource: string, name?: string | undefined, namespace?: string];
const LAST_RIGHT: Request = ['list', 'spire.spiffe.io', 'clusterfederatedtrustdomains'];
const ALLOWED: readonly Request[] = [
  ['watch', 'fedbroker.dev', 'peertrustdomains'],
  ['patch', 'fedbroker.dev', 'peertrustdomains', 'west'],
  ['patch', 'fedbroker.dev', 'peertrustdomains/status', 'west'],
  ['create', 'events.k8s.io', 'events', undefined, 'default'],
  ['update', 'coordination.k8s.io', 'leases', 'fedbroker', 'spire-server'],
  ['patch', 'spire.spiffe.io', 'clusterspiffeids', 'payments'],
  ['get', '', 'configmaps', 'spire-controller-manager', 'spire-server'],
  ['get', '', 'configmaps', 'west-bundle', 'spire-server'],
  ['list', 'apps', 'statefulsets', undefined, 'spire-server'],
];
const DENIED: readonly Request[] = [
  ['create', 'fedbroker.dev', 'peertrustdomains'],
  ['delete', 'fedbroker.dev', 'peertrustdomains', 'west'],
  ['create', 'events.k8s.io', 'events', undefined, 'spire-server'],
  ['update', 'coordination.k8s.io', 'leases', 'other', 'spire-server'],
  ['create', 'spire.spiffe.io', 'clusterspiffeids'],
  ['delete', 'spire.spiffe.io', 'clusterspiffeids', 'payments'],
  ['list', '', 'configmaps', undefined, 'spire-server'],
  ['get', '', 'secrets', 'west-bundle', 'spire-server'],
  ['update', 'apps', 'statefulsets', 'spire-server', 'spire-server'],
  ['list', 'apps', 'deployments'],
];
const STATEFUL_SET = ['statefulset', 'spire-server', '--namespace=spire-server'];

describe('Kustomize', () => {
  const cleanup = new Cleanup();
  let kube: KubeApiServer;

  before(async () => {
    kube = await startKubeApiServer(cleanup);
    await kube.kubectl(['create', 'namespace', 'spire-server']);
    await kube.kubectl(['apply', '--server-side', '-f', join(ROOT, SPIRE_SERVER)]);
  });

  after(async () => {
    await cleanup.run();
  });

  const build = async (folder: string) => parseManifests(await kube.kubectl(['kustomize', folder]));
  const apply = (overlay: string) => kube.kubectl(['apply', '--server-side', '-k', join(OVERLAYS, overlay)]);
  const patchSpireServer = (path: string) => kube.kubectl(['patch', ...STATEFUL_SET, `--patch-file=${path}`]);
  const spireServer = () => kube.kubectlJson<Manifest>(['get', ...STATEFUL_SET]);
  const containersOf = ({ spec }: Manifest) => spec!.template!.spec.containers.map(({ name }) => name).sort();

  for (const [overlay, serviceAccount] of [
    ['sidecar', 'spire-server'],
    ['deployment', 'spire-federation-broker'],
  ] as const) {
    describe(`builds the ${overlay}`, () => {
      let manifests: readonly Manifest[];

      before(async () => {
        manifests = await build(join(OVERLAYS, overlay));
      });

      it('with the rights of deploy/rbac, and no others', () => {
        assert.deepEqual(rightsOf(manifests), rightsOf(readManifests(...ALL_RIGHTS)));
      });

      it(`giving them to the service account ${serviceAccount} of spire-server's namespace`, () => {
        const subjects = manifests.flatMap((manifest) => manifest.subjects ?? []);
        assert.equal(subjects.length, ALL_RIGHTS.length);
        for (const subject of subjects) {
          assert.deepEqual(subject, { kind: 'ServiceAccount', name: serviceAccount, namespace: 'spire-server' });
        }
      });

      it('with the rights for events in the namespace where events about peers are', () => {
        const inDefault = manifests.filter(({ metadata }) => metadata.namespace === 'default');
        assert.deepEqual(
          inDefault.map(({ kind, metadata }) => `${kind} ${metadata.name}`),
          ['Role spire-federation-broker-events', 'RoleBinding spire-federation-broker-events'],
        );
      });

      it('so that a server accepts every object as it is', async () => {
        await apply(overlay);
        const folder = join(OVERLAYS, overlay);
        const again = await kube.kubectl(['apply', '--server-side', '--dry-run=server', '-k', folder, '-o', 'name']);
        assert.equal(again.trim().split('\n').length, manifests.length);
      });
    });
  }

  it('does not touch spire-server by itself, so that taking the overlay away cannot either', async () => {
    for (const overlay of ['sidecar', 'deployment']) {
      const kinds = (await build(join(OVERLAYS, overlay))).map(({ kind }) => kind);
      assert.ok(!kinds.includes('StatefulSet') && !kinds.includes('Namespace'), overlay);
    }
  });

  it('finds the pods of spire-server by the labels that they have', async () => {
    const { spec } = await spireServer();
    const labels = (spec!.selector as { readonly matchLabels: object }).matchLabels;
    for (const service of (await build(join(OVERLAYS, 'sidecar'))).filter(({ kind }) => kind === 'Service')) {
      assert.deepEqual(service.spec!.selector, labels);
    }
    const deployment = oneOf(await build(join(OVERLAYS, 'deployment')), 'Deployment');
    assert.ok(
      JSON.stringify(deployment).includes(JSON.stringify({ labelSelector: { matchLabels: labels } }).slice(1, -1)),
    );
  });

  it('makes the custom resource known, and accepts the samples of both clusters', async () => {
    await eventually('the API server serves the resource', async () => {
      await kube.kubectl(['get', 'ptd']);
      return true;
    });
    for (const side of ['east', 'west', 'istio'])
      await kube.kubectl(['apply', '--server-side', '-f', join(ROOT, 'deploy/samples', side)]);
    const { items } = await kube.kubectlJson<{ readonly items: readonly Manifest[] }>(['get', 'ptd']);
    assert.deepEqual(
      items.map(({ metadata }) => metadata.name),
      ['east', 'west'],
    );
    const policies = ['sidecar', 'deployment'].map((profile) =>
      join(ROOT, `deploy/samples/network-policy-${profile}.yaml`),
    );
    for (const policy of policies) await kube.kubectl(['apply', '--server-side', '-f', policy]);
  });

  describe('gives the service account of spire-server', () => {
    const isAllowed = async ([verb, group, resource, name, namespace]: Request) => {
      const [plural, subresource] = resource.split('/');
      const review = {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        spec: {
          user: 'system:serviceaccount:spire-server:spire-server',
          groups: ['system:serviceaccounts', 'system:serviceaccounts:spire-server', 'system:authenticated'],
          resourceAttributes: { verb, group, resource: plural, subresource, name, namespace },
        },
      };
      const answer = await kube.kubectlJson<{ readonly status: { readonly allowed: boolean } }>(['create', '-f', '-'], {
        input: JSON.stringify(review),
      });
      return answer.status.allowed;
    };

    before(async () => {
      await apply('sidecar');
      // The API server learns of its own roles a moment later.
      await eventually('the rights are in force', () => isAllowed(LAST_RIGHT));
    });

    for (const request of ALLOWED) {
      it(`the right to ${request.join(' ')}`, async () => {
        assert.equal(await isAllowed(request), true);
      });
    }

    for (const request of DENIED) {
      it(`no right to ${request.join(' ')}`, async () => {
        assert.equal(await isAllowed(request), false);
      });
    }
  });

  describe('as a sidecar', () => {
    let original: Manifest;

    before(async () => {
      original = await spireServer();
      await patchSpireServer(SIDECAR_PATCH);
    });

    it('puts the broker into the pod of spire-server beside the containers there, on the volume of its socket', async () => {
      const patched = await spireServer();
      assert.deepEqual(containersOf(patched), ['fedbroker', 'spire-controller-manager', 'spire-server']);
      assert.deepEqual(patched.spec!.template!.spec.volumes, original.spec!.template!.spec.volumes);
      const [mount] = brokerContainer(patched).volumeMounts;
      assert.equal(mount!.name, SOCKET_VOLUME);
      const others = patched.spec!.template!.spec.containers.filter(({ name }) => name !== 'fedbroker');
      assert.deepEqual(others, original.spec!.template!.spec.containers);
    });

    it('changes nothing when it is applied again', async () => {
      assert.match(await patchSpireServer(SIDECAR_PATCH), /no change/);
    });

    it('survives the next server-side apply of the chart that owns the StatefulSet', async () => {
      await kube.kubectl(['apply', '--server-side', '-f', join(ROOT, SPIRE_SERVER)]);
      assert.ok(containersOf(await spireServer()).includes('fedbroker'));
    });

    it('goes without a trace by the patch of the uninstallation', async () => {
      const containers = [{ name: 'fedbroker', $patch: 'delete' }];
      const patch = JSON.stringify({ spec: { template: { spec: { containers } } } });
      await kube.kubectl(['patch', ...STATEFUL_SET, `--patch=${patch}`]);
      assert.deepEqual((await spireServer()).spec, original.spec);
    });

    it('is the same container where spire-server is part of a kustomization', async () => {
      const folder = join(tempFolder(cleanup, 'kustomization'), 'all');
      mkdirSync(folder);
      cpSync(join(ROOT, SPIRE_SERVER), join(folder, 'spire-server.yaml'));
      cpSync(SIDECAR_PATCH, join(folder, 'patch.yaml'));
      const target = { kind: 'StatefulSet', name: 'spire-server' };
      const kustomization = { resources: ['spire-server.yaml'], patches: [{ path: 'patch.yaml', target }] };
      writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization));
      const statefulSet = oneOf(await build(folder), 'StatefulSet');
      assert.deepEqual(containersOf(statefulSet), ['fedbroker', 'spire-controller-manager', 'spire-server']);
      const [patch] = readManifests('deploy/kustomize/overlays/sidecar/spire-server.patch.yaml');
      assert.deepEqual(brokerContainer(statefulSet), brokerContainer(patch!));
    });
  });

  it('as a Deployment moves the socket of spire-server to the folder that both mount', async () => {
    await patchSpireServer(SOCKET_PATCH);
    const volume = (await spireServer()).spec!.template!.spec.volumes!.find(({ name }) => name === SOCKET_VOLUME);
    const deployment = oneOf(await build(join(OVERLAYS, 'deployment')), 'Deployment');
    assert.deepEqual(volume, deployment.spec!.template!.spec.volumes![0]);
  });

  it('takes everything away again and leaves spire-server', async () => {
    await kube.kubectl(['delete', 'ptd', '--all']);
    const gone = ['delete', '--ignore-not-found', '--wait=false', '-k'];
    for (const overlay of ['sidecar', 'deployment']) await kube.kubectl([...gone, join(OVERLAYS, overlay)]);
    assert.ok(await spireServer());
    const roles = await kube.kubectl(['get', 'clusterroles,roles', '--all-namespaces', '-o', 'name']);
    assert.doesNotMatch(roles.replace(/.*bootstrap.*/g, ''), /federation-broker/);
    assert.match(
      (await tryKubectl(kube.kubeconfigPath, ['get', 'ptd'])).stderr,
      /doesn't have a resource type|not find/,
    );
  });
});
