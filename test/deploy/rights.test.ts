// Does the broker get the rights its adapters use, each in a role of its own, and nothing wider?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './dockerfile.ts';
import { ALL_RIGHTS, readManifests, RIGHTS, rightsOf } from './manifest.ts';
import { MESH_RIGHT_ROWS, meshRightsTable } from './mesh-right-rows.ts';
import { keyOf, RIGHT_ROWS, rightsIn, rightsTable } from './right-rows.ts';

const EXAMPLES = [
  'deploy/rbac/bootstrap.yaml',
  'deploy/samples/east/west-bundle.rights.yaml',
  'deploy/samples/west/east-bundle.rights.yaml',
];
const FOR_ISTIO = [...RIGHTS.istio, ...RIGHTS.someForIstio];
const BESIDE_SPIRE = [...ALL_RIGHTS, ...EXAMPLES];
const ALL = [...BESIDE_SPIRE, ...FOR_ISTIO];

/** A change here is a change of what an operator trusts the broker with: docs/kubernetes.md has the same table. */
const ALLOWED: Readonly<Record<string, string>> = {
  'ClusterRole spire-federation-broker-peers':
    'peertrustdomains.fedbroker.dev(*): list patch watch; peertrustdomains/status.fedbroker.dev(*): patch',
  'Role spire-federation-broker-events': 'events.events.k8s.io(*): create',
  'Role spire-federation-broker-lease':
    'leases.coordination.k8s.io(*): create; leases.coordination.k8s.io(fedbroker): get update',
  'ClusterRole spire-federation-broker-cluster-spiffeids': 'clusterspiffeids.spire.spiffe.io(*): get list patch watch',
  'ClusterRole spire-federation-broker-federated-trust-domains':
    'clusterfederatedtrustdomains.spire.spiffe.io(*): create delete list patch watch',
  'Role spire-federation-broker-controller-manager-config': 'configmaps.(spire-controller-manager): get',
  'Role spire-federation-broker-controller-manager-workloads': 'deployments+statefulsets.apps(*): list',
};

const ALLOWED_FOR_ISTIO: Readonly<Record<string, string>> = {
  'Role spire-federation-broker-shared-mesh-config':
    'configmaps.(istio): list watch; configmaps.(istio-ca-root-cert): list watch; configmaps.(istio-federation): create get list patch watch',
  'ClusterRole spire-federation-broker-mesh-survey':
    'authorizationpolicies.security.istio.io(*): list; gateways+serviceentries+destinationrules.networking.istio.io(*): list; pods+namespaces.(*): list',
  'ClusterRole spire-federation-broker-gateway-api':
    'gateways+listenersets+backendtlspolicies.gateway.networking.k8s.io(*): list; xlistenersets.gateway.networking.x-k8s.io(*): list',
  'Role spire-federation-broker-istiod': 'deployments.apps(*): list',
  'Role spire-federation-broker-patch-base':
    'configmaps.(istio): list patch watch; configmaps.(istio-ca-root-cert): list watch',
  'Role spire-federation-broker-gateway-cas': 'configmaps.(west-roots): create delete get list patch watch',
  'Role spire-federation-broker-vanished-revisions': 'configmaps.(istio-federation): delete',
  'Role spire-federation-broker-spire-agent': 'configmaps.(spire-agent): get',
};

describe('the rights of the broker', () => {
  it('are these', () => {
    assert.deepEqual(rightsOf(readManifests(...ALL_RIGHTS)), ALLOWED);
  });

  it('are these for Istio', () => {
    assert.deepEqual(rightsOf(readManifests(...FOR_ISTIO)), ALLOWED_FOR_ISTIO);
  });

  for (const path of ALL) {
    describe(path, () => {
      const [role, binding, ...others] = readManifests(path);

      it('has one role and the binding that gives it to one service account', () => {
        assert.deepEqual(others, []);
        assert.equal(binding!.kind, `${role!.kind}Binding`);
        assert.deepEqual(binding!.roleRef, {
          apiGroup: 'rbac.authorization.k8s.io',
          kind: role!.kind,
          name: role!.metadata.name,
        });
        assert.equal(binding!.metadata.namespace, role!.metadata.namespace);
        assert.deepEqual(
          binding!.subjects!.map(({ kind }) => kind),
          ['ServiceAccount'],
        );
      });

      it('names what it is about: no wildcard, and no object of all where one is meant', () => {
        for (const { apiGroups, resources, resourceNames, verbs } of role!.rules!) {
          assert.ok(![...apiGroups, ...resources, ...verbs].includes('*'));
          const holdsAnything = resources.some((resource) => ['configmaps', 'secrets'].includes(resource));
          if (holdsAnything) assert.ok((resourceNames ?? []).length > 0, `${resources.join()} without names`);
        }
      });
    });
  }

  it('are each known by what stops without them, and no other is', () => {
    const files = readdirSync(join(ROOT, 'deploy/rbac'), { recursive: true, encoding: 'utf8' });
    const roles = files.filter((file) => file.endsWith('.yaml') && !file.endsWith('kustomization.yaml'));
    const rows = [...RIGHT_ROWS, ...MESH_RIGHT_ROWS].map(keyOf);
    assert.deepEqual(rows.sort(), roles.flatMap(rightsIn).map(keyOf).sort());
  });

  it('are in the guide with what stops without them, and where that is seen', () => {
    const plain = (text: string) => text.replaceAll(/ {2,}/g, ' ').replaceAll(/-{2,}/g, '-');
    const guide = plain(readFileSync(join(ROOT, 'docs/kubernetes.md'), 'utf8'));
    for (const table of [rightsTable(), meshRightsTable()]) {
      assert.ok(guide.includes(table), `docs/kubernetes.md must have this table:\n${table}`);
    }
  });

  it('never let it change a Secret or a ConfigMap, or read one of all namespaces, but for Istio', () => {
    const roles = readManifests(...BESIDE_SPIRE).filter(({ rules }) =>
      rules?.some(({ resources }) => resources.includes('configmaps') || resources.includes('secrets')),
    );
    assert.deepEqual([...new Set(roles.map(({ kind }) => kind))], ['Role']);
    const verbs = roles.flatMap(({ rules }) => rules!.flatMap((rule) => rule.verbs));
    assert.deepEqual([...new Set(verbs)].sort(), ['get', 'list', 'watch']);
  });
});
