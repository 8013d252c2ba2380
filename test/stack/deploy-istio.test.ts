// Do Helm and Kustomize give the broker what it needs for Istio, and nothing of it without being asked?
import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { resolveConfig } from '../../src/config.ts';
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
import { kubectl } from './harness/kubectl.ts';
import { tempFolder } from './harness/temp-folder.ts';

const CHART = join(ROOT, 'deploy/helm/spire-federation-broker');
const MODES = ['sidecar', 'deployment'] as const;
type Mode = (typeof MODES)[number];
const SERVICE_ACCOUNTS = { sidecar: 'spire-server', deployment: 'spire-federation-broker' } as const;

const SURVEY = RIGHTS.istio.filter((file) => !file.endsWith('shared-mesh-config.yaml'));
const PATCH_BASE = RIGHTS.someForIstio.filter((file) => file.endsWith('patch-base.yaml'));

interface Volumes {
  readonly extraContainers: readonly Container[];
  readonly extraVolumes?: readonly { readonly name: string }[];
}

function subjectsOf(manifests: readonly Manifest[]): readonly string[] {
  const subjects = manifests.flatMap((manifest) => manifest.subjects ?? []);
  return [...new Set(subjects.map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`))];
}

/** As the program understands them in a pod. */
function settingsOf({ env }: Container) {
  const set = env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value] as const]));
  const inPod = { KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '443' };
  const environment: Record<string, string> = { ...inPod, ...Object.fromEntries(set) };
  const { config } = resolveConfig({ argv: [], environment, readFile: () => '' });
  const { istio, istioNamespace, istioConfigMap, istioRevisions } = config;
  const { spireAgentConfig, spireAgentSocket, istiodDebugUrl, istiodTokenFile } = config;
  return {
    ...{ istio, istioNamespace, istioConfigMap, istioRevisions },
    ...{ spireAgentConfig, spireAgentSocket, istiodDebugUrl, istiodTokenFile },
  };
}

describe('the Helm chart for Istio', () => {
  const cleanup = new Cleanup();
  let helm: Helm;

  before(() => {
    helm = helmOf(cleanup);
  });
  after(() => cleanup.run());

  const render = async (mode: Mode, istio: object) => {
    const options = ['--namespace=spire-server', `--set=mode=${mode}`, `--set-json=istio=${JSON.stringify(istio)}`];
    return parseManifests(await helm(['template', 'broker', CHART, ...options]));
  };
  const sidecarOf = (manifests: readonly Manifest[]): Volumes => {
    const { data } = oneOf(manifests, 'ConfigMap', 'spire-federation-broker-sidecar');
    return (parse(data!['values.yaml']!) as { readonly 'spire-server': Volumes })['spire-server'];
  };
  const partsOf = (mode: Mode, manifests: readonly Manifest[]) => {
    if (mode === 'sidecar') {
      const { extraContainers, extraVolumes = [] } = sidecarOf(manifests);
      return { container: extraContainers[0]!, volumes: extraVolumes };
    }
    const deployment = oneOf(manifests, 'Deployment');
    return { container: brokerContainer(deployment), volumes: deployment.spec!.template!.spec.volumes!.slice(1) };
  };

  for (const mode of MODES) {
    describe(`as ${mode}`, () => {
      it('gives no right and no setting while it is off, with quotes and without', async () => {
        for (const off of ['off', false]) {
          const manifests = await render(mode, { mode: off, debugUrl: 'http://istiod:15014', spireAgentSocket: 'a' });
          assert.deepEqual(rightsOf(manifests), rightsOf(readManifests(...ALL_RIGHTS)));
          const { container, volumes } = partsOf(mode, manifests);
          assert.equal(settingsOf(container).istio, 'off');
          assert.deepEqual(volumes, []);
        }
      });

      it('gives the rights of deploy/rbac/istio, and no others, to the broker’s service account', async () => {
        const manifests = await render(mode, { mode: 'shared-config' });
        assert.deepEqual(rightsOf(manifests), rightsOf(readManifests(...ALL_RIGHTS, ...RIGHTS.istio)));
        assert.deepEqual(subjectsOf(manifests), [`ServiceAccount spire-server/${SERVICE_ACCOUNTS[mode]}`]);
        for (const name of ['shared-mesh-config', 'istiod']) {
          const role = oneOf(manifests, 'Role', `spire-federation-broker-${name}`);
          assert.equal(role.metadata.namespace, 'istio-system');
        }
      });

      it('gives those for istiod’s own ConfigMap in place of those for ours with patch-base', async () => {
        const manifests = await render(mode, { mode: 'patch-base' });
        assert.deepEqual(rightsOf(manifests), rightsOf(readManifests(...ALL_RIGHTS, ...PATCH_BASE, ...SURVEY)));
        assert.equal(settingsOf(partsOf(mode, manifests).container).istio, 'patch-base');
      });

      it('sets what it gives the rights for, and mounts what is read', async () => {
        const manifests = await render(mode, {
          ...{ mode: 'shared-config', namespace: 'mesh', configMap: 'peers', revisions: ['default', '1-31'] },
          ...{ spireAgentConfig: 'spire-system/agent', spireAgentSocket: 'spire-agent.sock' },
          debugUrl: 'http://istiod.mesh:15014',
        });
        const { container, volumes } = partsOf(mode, manifests);
        const { spireAgentSocket, istiodTokenFile, ...settings } = settingsOf(container);
        assert.deepEqual(settings, {
          ...{ istio: 'shared-config', istioNamespace: 'mesh', istioConfigMap: 'peers' },
          istioRevisions: ['1-31', 'default'],
          spireAgentConfig: { namespace: 'spire-system', name: 'agent' },
          istiodDebugUrl: 'http://istiod.mesh:15014/',
        });
        const role = oneOf(manifests, 'Role', 'spire-federation-broker-shared-mesh-config');
        assert.equal(role.metadata.namespace, 'mesh');
        assert.deepEqual(
          role.rules!.map(({ resourceNames }) => resourceNames),
          [['peers', 'peers-1-31'], ['istio', 'istio-1-31'], ['istio-ca-root-cert']],
        );
        const agent = oneOf(manifests, 'Role', 'spire-federation-broker-spire-agent');
        assert.deepEqual([agent.metadata.namespace, agent.rules![0]!.resourceNames], ['spire-system', ['agent']]);
        for (const path of [spireAgentSocket!, istiodTokenFile!]) {
          const mount = container.volumeMounts.find(({ mountPath }) => path.startsWith(`${mountPath}/`));
          assert.ok(
            volumes.some(({ name }) => name === mount?.name),
            `${path} is in no volume`,
          );
        }
      });

      it('lets the broker keep the CA objects that are named', async () => {
        const gatewayCAs = [{ namespace: 'edge', configMaps: ['west-roots'], secrets: ['west-cacert'] }];
        const manifests = await render(mode, { mode: 'shared-config', gatewayCAs });
        const role = oneOf(manifests, 'Role', 'spire-federation-broker-gateway-cas-edge');
        assert.equal(role.metadata.namespace, 'edge');
        const [example] = readManifests('deploy/rbac/istio/gateway-cas.yaml');
        const [rule] = example!.rules!;
        const secrets = { ...rule, resources: ['secrets'], resourceNames: ['west-cacert'] };
        assert.deepEqual(role.rules, [rule, secrets]);
      });
    });
  }

  it('has nothing that helm lint objects to', async () => {
    const set = ['mode=shared-config', 'spireAgentSocket=a', 'debugUrl=http://istiod:15014'];
    await helm(['lint', '--strict', CHART, ...set.map((value) => `--set=istio.${value}`)]);
  });

  for (const [value, message] of [
    [{ mode: 'on' }, /mode/],
    [{ revisions: [] }, /revisions/],
    [{ gatewayCAs: [{ namespace: 'edge' }] }, /gatewayCAs/],
    [{ spireAgentConfig: 'agent' }, /spireAgentConfig/],
  ] as const) {
    it(`refuses ${JSON.stringify(value)}`, async () => {
      await assert.rejects(render('sidecar', value), message);
    });
  }
});

describe('the component of Kustomize for Istio', () => {
  const cleanup = new Cleanup();
  let deploy: string;

  before(() => {
    deploy = join(tempFolder(cleanup, 'kustomize'), 'deploy');
    cpSync(join(ROOT, 'deploy'), deploy, { recursive: true });
    for (const mode of MODES) {
      const path = join(deploy, `kustomize/overlays/${mode}/kustomization.yaml`);
      writeFileSync(path, readFileSync(path, 'utf8').replace('components:', 'components:\n  - ../../components/istio'));
    }
  });
  after(() => cleanup.run());

  const build = async (mode: Mode) => {
    const folder = join(deploy, 'kustomize/overlays', mode);
    return parseManifests(await kubectl(join(deploy, 'no-kubeconfig'), ['kustomize', folder]));
  };

  for (const mode of MODES) {
    it(`gives the rights of deploy/rbac/istio to the service account of the ${mode}`, async () => {
      const manifests = await build(mode);
      assert.deepEqual(rightsOf(manifests), rightsOf(readManifests(...ALL_RIGHTS, ...RIGHTS.istio)));
      assert.deepEqual(subjectsOf(manifests), [`ServiceAccount spire-server/${SERVICE_ACCOUNTS[mode]}`]);
      const role = oneOf(manifests, 'Role', 'spire-federation-broker-shared-mesh-config');
      assert.equal(role.metadata.namespace, 'istio-system');
    });
  }

  it('sets the Deployment, and the sidecar by a patch of its own', async () => {
    const [patch] = readManifests('deploy/kustomize/components/istio/spire-server.patch.yaml');
    const { env } = patch!.spec!.template!.spec.containers[0]!;
    const deployed = brokerContainer(oneOf(await build('deployment'), 'Deployment'));
    assert.equal(settingsOf(deployed).istio, 'shared-config');
    assert.deepEqual(
      deployed.env.filter(({ name }) => name.startsWith('FEDBROKER_ISTIO')),
      env,
    );
  });
});
