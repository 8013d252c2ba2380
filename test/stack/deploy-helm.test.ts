// Does the real helm render, install, upgrade and take away the broker, in both modes?
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { settingNames, variableName } from '../../src/settings/settings.ts';
import { ROOT } from '../deploy/dockerfile.ts';
import {
  ALL_RIGHTS,
  brokerContainer,
  type Container,
  type Manifest,
  oneOf,
  parseManifests,
  readManifests,
  RIGHTS,
  rightsOf,
} from '../deploy/manifest.ts';
import { Cleanup } from './harness/cleanup.ts';
import { type Helm, helmOf } from './harness/helm.ts';
import { type KubeApiServer, startKubeApiServer } from './harness/kube-api-server.ts';
import { tryKubectl } from './harness/kubectl.ts';

const CHART = join(ROOT, 'deploy/helm/spire-federation-broker');
const OVERLAYS = 'deploy/kustomize/overlays';
const MODES = ['sidecar', 'deployment'] as const;
type Mode = (typeof MODES)[number];
const SIDECAR_VALUES = 'spire-federation-broker-sidecar';
/** What the chart decides itself, by the pod and its other values. */
const NOT_SETTABLE = [
  ...['kubernetes', 'kubernetesNamespace', 'replicaIdentity', 'leaseName', 'controllerManagerConfig', 'spireSocket'],
  ...[
    'adminAddress',
    'auditFile',
    'auditRequired',
    'serveSpiffeAddress',
    'serveWebAddress',
    'serveWebCertFile',
    'serveWebKeyFile',
  ],
  ...['istio', 'istioNamespace', 'istioConfigMap', 'istioRevisions', 'istiodDebugUrl', 'istiodTokenFile'],
  ...['spireAgentSocket', 'spireAgentConfig'],
];

/** What goes into the values of helm-charts-hardened. */
interface SidecarValues {
  readonly 'spire-server': {
    readonly extraContainers: readonly Container[];
    readonly extraVolumes?: readonly object[];
  };
}

describe('the Helm chart', () => {
  const cleanup = new Cleanup();
  let helm: Helm;

  before(() => {
    helm = helmOf(cleanup);
  });

  after(async () => {
    await cleanup.run();
  });

  const render = async (mode: Mode, ...values: readonly string[]) => {
    const given = [`mode="${mode}"`, ...values].map((value) => `--set-json=${value}`);
    const options = ['--namespace=spire-server', ...given];
    return parseManifests(await helm(['template', 'broker', CHART, ...options]));
  };
  const sidecarValues = (manifests: readonly Manifest[]) =>
    parse(oneOf(manifests, 'ConfigMap', SIDECAR_VALUES).data!['values.yaml']!) as SidecarValues;
  const containerOf = (mode: Mode, manifests: readonly Manifest[]) =>
    mode === 'sidecar'
      ? sidecarValues(manifests)['spire-server'].extraContainers[0]!
      : brokerContainer(oneOf(manifests, 'Deployment'));

  for (const mode of MODES) {
    describe(`as ${mode}`, () => {
      let manifests: readonly Manifest[];

      before(async () => {
        manifests = await render(mode);
      });

      it('has nothing that helm lint objects to', async () => {
        const everything = ['--set=webEndpoint.secretName=web', '--set=networkPolicy.enabled=true'];
        await helm(['lint', '--strict', CHART, `--set=mode=${mode}`, ...everything]);
      });

      it('gives the rights of deploy/rbac, and no others', () => {
        assert.deepEqual(rightsOf(manifests), rightsOf(readManifests(...ALL_RIGHTS)));
      });

      it('gives fewer without spire-controller-manager', async () => {
        const without = await render(mode, 'controllerManager={"enabled":false}');
        assert.deepEqual(rightsOf(without), rightsOf(readManifests(...RIGHTS.required)));
        const variables = containerOf(mode, without).env.map(({ name }) => name);
        assert.ok(!variables.includes(variableName('controllerManagerConfig')));
      });

      it('runs the container that the Kustomize overlay runs', () => {
        const file = mode === 'sidecar' ? 'sidecar/spire-server.patch.yaml' : 'deployment/deployment.yaml';
        const overlay = brokerContainer(readManifests(`${OVERLAYS}/${file}`)[0]!);
        assert.deepEqual(containerOf(mode, manifests), { ...overlay, imagePullPolicy: 'IfNotPresent' });
      });

      it('gives each setting to the program by its own name', async () => {
        const names = settingNames.filter((name) => !NOT_SETTABLE.includes(name));
        const values = Object.fromEntries(names.map((name) => [name, 'x']));
        const { env } = containerOf(mode, await render(mode, `settings=${JSON.stringify(values)}`));
        assert.deepEqual(
          env.filter(({ value }) => value === 'x').map(({ name }) => name),
          names.map(variableName).sort(),
        );
      });

      it('serves https_web by a Secret as well, where one is named', async () => {
        const withWeb = await render(mode, 'webEndpoint={"secretName":"web"}');
        const container = containerOf(mode, withWeb);
        assert.ok(container.volumeMounts.some(({ name }) => name === 'fedbroker-web'));
        const volumes =
          mode === 'sidecar'
            ? sidecarValues(withWeb)['spire-server'].extraVolumes
            : oneOf(withWeb, 'Deployment').spec!.template!.spec.volumes!.slice(1);
        assert.deepEqual(volumes, [{ name: 'fedbroker-web', secret: { secretName: 'web' } }]);
      });

      it('lets the broker read the ConfigMaps and Secrets that are named', async () => {
        const west = { namespace: 'peers', configMaps: ['west-bundle'] };
        const role = oneOf(
          await render(mode, `bootstrap=${JSON.stringify([west])}`),
          'Role',
          'spire-federation-broker-bootstrap-peers',
        );
        assert.equal(role.metadata.namespace, 'peers');
        const rule = { apiGroups: [''], resources: ['configmaps'], resourceNames: ['west-bundle'] };
        assert.deepEqual(role.rules, [{ ...rule, verbs: ['get', 'list', 'watch'] }]);
      });
    });
  }

  it('has a budget for a Deployment only: two of them over spire-server’s pods would forbid every eviction', async () => {
    const kinds = async (mode: Mode) => (await render(mode)).map(({ kind }) => kind);
    assert.ok((await kinds('deployment')).includes('PodDisruptionBudget'));
    assert.ok(!(await kinds('sidecar')).includes('PodDisruptionBudget'));
  });

  it('runs as the user that the socket belongs to, on a node where spire-server is, without addresses as settings', async () => {
    const { spec } = oneOf(await render('deployment'), 'Deployment').spec!.template!;
    const overlay = oneOf(readManifests(`${OVERLAYS}/deployment/deployment.yaml`), 'Deployment').spec!.template!.spec;
    assert.deepEqual(spec, { ...overlay, containers: spec.containers });
    assert.equal(spec.enableServiceLinks, false);
  });

  for (const [value, message] of [
    ['mode="both"', /mode/],
    ['name="fedbroker"', /name/],
    ['settings={"adminAddress":"off"}', /settings/],
    ['settings={"log-level":"debug"}', /settings/],
    ['bootstrap=[{"namespace":"peers"}]', /bootstrap/],
    ['spireServer={"user":0}', /user/],
    ['replica=2', /replica/],
  ] as const) {
    it(`refuses ${value}`, async () => {
      await assert.rejects(render('deployment', value), message);
    });
  }

  describe('on a real API server', () => {
    let kube: KubeApiServer;
    let cluster: string[];

    before(async () => {
      kube = await startKubeApiServer(cleanup);
      await kube.kubectl(['create', 'namespace', 'spire-server']);
      await kube.kubectl(['apply', '--server-side', '-f', join(ROOT, 'test/deploy/spire-server.yaml')]);
      cluster = [`--kubeconfig=${kube.kubeconfigPath}`, '--namespace=spire-server'];
    });

    const inNamespace = ['--namespace=spire-server'];

    it('is installed as a sidecar, and says which values make spire-server run it', async () => {
      const notes = await helm(['install', 'broker', CHART, ...cluster]);
      assert.match(notes, new RegExp(`kubectl get configmap ${SIDECAR_VALUES} --namespace spire-server`));
      await kube.kubectl(['get', 'ptd']);
      const jsonpath = '--output=jsonpath={.data.values\\.yaml}';
      const values = parse(
        await kube.kubectl(['get', 'configmap', SIDECAR_VALUES, ...inNamespace, jsonpath]),
      ) as SidecarValues;
      const { extraContainers: containers } = values['spire-server'];
      const patch = JSON.stringify({ spec: { template: { spec: { containers } } } });
      await kube.kubectl(['patch', 'statefulset', 'spire-server', ...inNamespace, `--patch=${patch}`]);
    });

    it('is upgraded to a Deployment', async () => {
      await helm(['upgrade', 'broker', CHART, ...cluster, '--set=mode=deployment', '--set=networkPolicy.enabled=true']);
      const deployment = await kube.kubectlJson<Manifest>([
        'get',
        'deployment',
        'spire-federation-broker',
        ...inNamespace,
      ]);
      assert.equal(deployment.spec!.template!.spec.serviceAccountName, 'spire-federation-broker');
      const { stderr } = await tryKubectl(kube.kubeconfigPath, ['get', 'configmap', SIDECAR_VALUES, ...inNamespace]);
      assert.match(stderr, /NotFound/);
    });

    for (const mode of MODES) {
      it(`renders as ${mode} what kubectl applies, and what the server takes as it is`, async () => {
        const input = await helm([
          'template',
          'broker',
          CHART,
          '--include-crds',
          '--namespace=spire-server',
          `--set=mode=${mode}`,
        ]);
        const apply = ['apply', '--server-side', '--force-conflicts', '--field-manager=test', '-f', '-'];
        await kube.kubectl([...apply, '--dry-run=server'], { input });
        await kube.kubectl(apply, { input });
      });
    }

    it('is taken away, and the declarations stay', async () => {
      await kube.kubectl(['apply', '--server-side', '-f', join(ROOT, 'deploy/samples/east/west.yaml')]);
      await helm(['uninstall', 'broker', ...cluster]);
      const roles = await kube.kubectl(['get', 'clusterroles', '-o', 'name']);
      assert.doesNotMatch(roles, /federation-broker/);
      assert.match(await kube.kubectl(['get', 'ptd', '-o', 'name']), /west/);
      assert.match(await kube.kubectl(['get', 'statefulset', ...inNamespace]), /spire-server/);
    });
  });
});
