// Is spire-controller-manager found in whatever keeps its pods, and only there?
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { systemClock } from '../../src/federation/clock.ts';
import { openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import { ControllerManagerWorkloads } from '../../src/kubernetes/controller-manager-workloads.ts';
import type { Resource } from '../../src/kubernetes/kube-object.ts';
import { DEPLOYMENTS, STATEFUL_SETS } from '../../src/kubernetes/workload-object.ts';
import { startFakeApiServer, type FakeApiServer } from '../fakes/fake-api-server.ts';

const CONFIG_MAP = { namespace: 'spire', name: 'spire-controller-manager' };
const SPIRE = { name: 'spire-server', image: 'ghcr.io/spiffe/spire-server:1.15.3' };

describe('ControllerManagerWorkloads', () => {
  let kube: FakeApiServer;
  let api: ApiServer;

  beforeEach(async () => {
    kube = await startFakeApiServer([DEPLOYMENTS, STATEFUL_SETS]);
    api = await openApiServer({ access: await kube.serviceAccount(), clock: systemClock, timeoutMs: 5_000 });
  });
  afterEach(async () => {
    api.close();
    await kube.close();
  });

  const read = (configMap: typeof CONFIG_MAP | undefined = CONFIG_MAP) =>
    new ControllerManagerWorkloads({ api, clock: systemClock, configMap }).read(new AbortController().signal);

  async function create(resource: Resource, name: string, podSpec: object, more: object = {}, namespace = 'spire') {
    const { status, ...spec } = more as { readonly status?: object };
    const object = { spec: { ...spec, template: { spec: podSpec } }, ...(status !== undefined && { status }) };
    await api.create(resource, { metadata: { namespace, name }, ...object });
  }

  it('finds it beside spire-server, with its arguments, its ConfigMap and the replicas that are ready', async () => {
    const container = {
      name: 'spire-controller-manager',
      image: 'registry.example:5000/mirror/scm:0.6.6',
      args: ['--config=controller-manager-config.yaml'],
      volumeMounts: [
        { name: 'controller-manager-config', mountPath: '/controller-manager-config.yaml', subPath: 'x' },
        { name: 'spire-server-socket', mountPath: '/tmp/spire-server/private' },
      ],
    };
    const volumes = [
      { name: 'spire-config', configMap: { name: 'spire-server' } },
      { name: 'spire-server-socket', emptyDir: {} },
      { name: 'controller-manager-config', configMap: { name: 'spire-controller-manager' } },
    ];
    const podSpec = { containers: [SPIRE, container], volumes };
    await create(STATEFUL_SETS, 'spire-server', podSpec, { replicas: 3, status: { readyReplicas: 2 } });
    assert.deepEqual(await read(), {
      namespace: 'spire',
      configMap: 'spire-controller-manager',
      workloads: [
        {
          kind: 'StatefulSet',
          name: 'spire-server',
          image: 'registry.example:5000/mirror/scm:0.6.6',
          arguments: ['--config=controller-manager-config.yaml'],
          configMaps: ['spire-controller-manager'],
          replicas: 3,
          readyReplicas: 2,
        },
      ],
    });
  });

  for (const [image, isFound] of [
    ['spire-controller-manager', true],
    ['ghcr.io/spiffe/spire-controller-manager:0.6.6', true],
    ['registry.example:5000/spire-controller-manager@sha256:ab12', true],
    ['ghcr.io/spiffe/spire-controller-manager:0.6.6@sha256:ab12', true],
    ['ghcr.io/spiffe/spire-controller-manager-tools:0.6.6', false],
    ['ghcr.io/spire-controller-manager/other:1', false],
    [undefined, false],
  ] as const) {
    it(`${isFound ? 'knows' : 'does not take for it'} a container of another name with image ${image ?? 'none'}`, async () => {
      await create(DEPLOYMENTS, 'manager', { containers: [{ name: 'manager', image }] });
      assert.equal((await read())?.workloads.length, isFound ? 1 : 0);
    });
  }

  it('reads a projected ConfigMap, a native sidecar, and a template that says little', async () => {
    const volumeMounts = [{ name: 'all', mountPath: '/config' }];
    const volumes = [
      { name: 'all', projected: { sources: [{ secret: { name: 'a' } }, { configMap: { name: 'b' } }] } },
    ];
    const sidecar = { name: 'spire-controller-manager', volumeMounts, command: ['/manager'], args: ['-config', 'x'] };
    await create(DEPLOYMENTS, 'b', { initContainers: [sidecar], containers: [SPIRE], volumes });
    await create(DEPLOYMENTS, 'a', { containers: [{ name: 'spire-controller-manager' }] });
    const { workloads } = (await read())!;
    assert.deepEqual(
      workloads.map(({ name, configMaps, arguments: args, replicas }) => [name, configMaps, args, replicas]),
      [
        ['a', [], [], 1],
        ['b', ['b'], ['/manager', '-config', 'x'], 1],
      ],
    );
  });

  it('looks in its own namespace alone', async () => {
    await create(DEPLOYMENTS, 'manager', { containers: [{ name: 'spire-controller-manager' }] }, {}, 'other');
    assert.deepEqual((await read())?.workloads, []);
    const without = new ControllerManagerWorkloads({ api, clock: systemClock, configMap: undefined });
    assert.equal(await without.read(new AbortController().signal), undefined);
  });

  for (const refused of ['deployments', 'statefulsets']) {
    it(`names the right that is missing for ${refused}, rather than tell half of it`, async () => {
      await create(STATEFUL_SETS, 'spire-server', { containers: [{ name: 'spire-controller-manager' }] });
      kube.isAllowed = ({ resource }) => resource !== refused;
      const message = new RegExp(`grant verb "list" on resource "${refused}" in API group "apps"`);
      await assert.rejects(read(), { code: 'KubeForbidden', message });
    });
  }
});
