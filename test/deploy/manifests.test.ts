// Do the manifests agree with the program: its version, its settings, its custom resource?
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { parsePeerDeclaration } from '../../src/federation/peer-declaration.ts';
import { settingNames, VARIABLE_PREFIX, variableName } from '../../src/settings/settings.ts';
import { ROOT } from './dockerfile.ts';
import { ALL_RIGHTS, brokerContainer, type Container, oneOf, readManifests, RIGHTS } from './manifest.ts';

const CHART = 'deploy/helm/spire-federation-broker';
const OVERLAYS = 'deploy/kustomize/overlays';
const DEFINITION = 'peertrustdomains.fedbroker.dev.yaml';

const text = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const { version } = JSON.parse(text('package.json')) as { readonly version: string };
const containers: Readonly<Record<string, Container>> = {
  sidecar: brokerContainer(readManifests(`${OVERLAYS}/sidecar/spire-server.patch.yaml`)[0]!),
  deployment: brokerContainer(readManifests(`${OVERLAYS}/deployment/deployment.yaml`)[0]!),
};

describe('the manifests', () => {
  it('are of the version of the program', () => {
    const chart = parse(text(`${CHART}/Chart.yaml`)) as { readonly version: string; readonly appVersion: string };
    assert.deepEqual([chart.version, chart.appVersion], [version, version]);
    for (const { image } of Object.values(containers)) assert.equal(image, `spire-federation-broker:${version}`);
  });

  it('bring the same definition by Helm and by Kustomize', () => {
    assert.equal(text(`${CHART}/crds/${DEFINITION}`), text(`deploy/crd/${DEFINITION}`));
    assert.deepEqual(readdirSync(join(ROOT, CHART, 'crds')), [DEFINITION]);
  });

  it('set nothing but settings', () => {
    const known = settingNames.map(variableName);
    for (const { env } of Object.values(containers)) {
      assert.deepEqual(
        env.map(({ name }) => name).filter((name) => !known.includes(name)),
        [],
      );
    }
  });

  it('name no Service in such a way that Kubernetes turns its address into a setting', () => {
    const services = readManifests('deploy/kustomize/base/services.yaml').map(({ metadata }) => metadata.name);
    assert.equal(services.length, 2);
    for (const name of services) {
      assert.ok(!name.toUpperCase().replaceAll('-', '_').startsWith(VARIABLE_PREFIX), name);
    }
  });

  it('run the same container in both ways but for its readiness', () => {
    const { readinessProbe, ...deployment } = containers['deployment']!;
    assert.deepEqual(deployment, containers['sidecar']);
    assert.ok(readinessProbe);
  });

  it('never let the broker take spire-server from its agents: the sidecar has no readiness of its own', () => {
    assert.equal(containers['sidecar']!.readinessProbe, undefined);
  });

  for (const [profile, container] of Object.entries(containers)) {
    it(`lock the container of the ${profile} up`, () => {
      assert.deepEqual(container.securityContext, {
        runAsNonRoot: true,
        readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
        seccompProfile: { type: 'RuntimeDefault' },
      });
      assert.deepEqual(container.volumeMounts, [
        { name: 'spire-server-socket', mountPath: '/tmp/spire-server/private', readOnly: true },
      ]);
    });
  }

  it('let a drain take the only replica', () => {
    const [budget] = readManifests(`${OVERLAYS}/deployment/pod-disruption-budget.yaml`);
    assert.equal((budget!.spec as { readonly maxUnavailable?: number }).maxUnavailable, 1);
  });

  it('give Prometheus the address of the admin pages', () => {
    const { metadata } = oneOf(
      readManifests('deploy/kustomize/base/services.yaml'),
      'Service',
      'spire-federation-broker-admin',
    );
    assert.equal(metadata.annotations?.['prometheus.io/port'], '9402');
    const address = containers['sidecar']!.env.find(({ name }) => name === variableName('adminAddress'));
    assert.equal(address?.value, '0.0.0.0:9402');
  });
});

describe('the samples', () => {
  for (const [here, there] of [
    ['east', 'west'],
    ['west', 'east'],
  ] as const) {
    it(`declare ${there} in the cluster of ${here}`, () => {
      const path = `deploy/samples/${here}/${there}.yaml`;
      const declaration = parsePeerDeclaration(parse(text(path)), 'Kubernetes');
      assert.ok(declaration.ok, JSON.stringify(declaration));
      assert.equal(declaration.peer.trustDomain, `${there}.example`);
      assert.ok(text(path).includes(`spiffe://${here}.example/`));
      const role = oneOf(readManifests(`deploy/samples/${here}/${there}-bundle.rights.yaml`), 'Role');
      assert.deepEqual(role.rules![0]!.resourceNames, [`${there}-bundle`]);
      assert.match(text(path), new RegExp(`name: ${there}-bundle$`, 'm'));
    });
  }
});

describe('the samples for Istio', () => {
  const declared = (sample: string) => {
    const declaration = parsePeerDeclaration(parse(text(`deploy/samples/istio/${sample}.yaml`)), 'Kubernetes');
    assert.ok(declaration.ok, JSON.stringify(declaration));
    return declaration.peer;
  };

  it('are for the peer of the sample without Istio', () => {
    const plain = parsePeerDeclaration(parse(text('deploy/samples/east/west.yaml')), 'Kubernetes');
    assert.ok(plain.ok);
    const { entrySelectors, clusterSpiffeIds, ...others } = plain.peer;
    for (const sample of ['spire-sds', 'constrained']) {
      const { mesh, ...peer } = declared(sample);
      assert.ok(mesh);
      const linked = { ...others, entrySelectors, clusterSpiffeIds };
      assert.deepEqual({ ...peer, mesh: undefined, entrySelectors, clusterSpiffeIds }, linked);
    }
  });

  it('take its roots from SPIRE, or put them into mesh config and a CA object that the example of rights names', () => {
    assert.equal(declared('spire-sds').mesh?.anchors, 'SpireSds');
    const { anchors, gatewayCas = [] } = declared('constrained').mesh ?? {};
    assert.equal(anchors, 'Constrained');
    const role = oneOf(readManifests('deploy/rbac/istio/gateway-cas.yaml'), 'Role');
    assert.deepEqual(
      gatewayCas,
      role.rules![0]!.resourceNames!.map((name) => ({ type: 'ConfigMap', name })),
    );
  });
});

describe('docs/kubernetes.md', () => {
  const guide = text('docs/kubernetes.md');

  it('names files that are there', () => {
    const paths = [...guide.matchAll(/\bdeploy\/[\w./-]*\w/g)].map(([path]) => path);
    assert.ok(paths.length > 10);
    assert.deepEqual(
      paths.filter((path) => !existsSync(join(ROOT, path))),
      [],
    );
  });

  it('says what each right is for', () => {
    const files = [...ALL_RIGHTS, 'deploy/rbac/bootstrap.yaml', ...RIGHTS.istio, ...RIGHTS.someForIstio];
    for (const { kind, metadata } of readManifests(...files)) {
      if (kind.endsWith('Role'))
        assert.ok(guide.includes(`\`${metadata.name.replace('spire-federation-broker', '…')}\``));
    }
  });
});
