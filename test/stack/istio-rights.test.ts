// What stops when one right for Istio is taken away, does the broker name the right, and does it go on when it is given
// back?
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { systemClock } from '../../src/federation/clock.ts';
import { lintPeer } from '../../src/istio/lint.ts';
import { preflight } from '../../src/istio/preflight.ts';
import { openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import { readSurvey } from '../contract/mesh-survey-contract.ts';
import { ROOT } from '../deploy/dockerfile.ts';
import { KEEPING_ROWS, LOOKING_ROWS, PATCH_BASE_ROWS, type LookingRow } from '../deploy/mesh-right-rows.ts';
import { keyOf } from '../deploy/right-rows.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { startEndpoint, type Endpoint } from './harness/in-process-broker.ts';
import { applyIstioCrds } from './harness/istio-crds.ts';
import { startKubeApiServer, type KubeApiServer } from './harness/kube-api-server.ts';
import { BASE, BASE_MESH, BROKER_ACCOUNT, MeshRightsWorld, MORE_RIGHTS } from './harness/mesh-rights-world.ts';
import { NAMESPACE, setRight } from './harness/role-rights.ts';

const [EAST, WEST] = [parseTrustDomain('east.test'), parseTrustDomain('west.test')];
const SPIRE_AGENT = { namespace: NAMESPACE, name: 'spire-agent' };

describe('a broker beside a mesh, without one of its rights', () => {
  const cleanup = new Cleanup();
  let kube: KubeApiServer;
  let kubeconfig: string;
  let admin: ApiServer;
  let west: Endpoint;

  const open = async (path: string) => {
    const api = await openApiServer({ access: { path }, clock: systemClock, timeoutMs: 10_000 });
    cleanup.add(() => {
      api.close();
    });
    return api;
  };
  const apply = (path: string) => kube.kubectl(['apply', '--server-side', '-f', join(ROOT, 'deploy/rbac/istio', path)]);

  before(async () => {
    kube = await startKubeApiServer(cleanup, { name: 'mesh-rights' });
    for (const name of [NAMESPACE, 'istio-system']) await kube.kubectl(['create', 'namespace', name]);
    await applyIstioCrds(kube);
    await kube.kubectl(['apply', '--server-side', '-k', join(ROOT, 'deploy/kustomize/overlays/deployment')]);
    await kube.kubectl(['apply', '--server-side', '-k', join(ROOT, 'deploy/rbac/istio')]);
    for (const some of ['gateway-cas.yaml', 'spire-agent.yaml', 'vanished-revisions.yaml']) await apply(some);
    const more = JSON.stringify(roleWith(MORE_RIGHTS));
    await kube.kubectl(['apply', '--server-side', '--filename=-'], { input: more });
    kubeconfig = kube.kubeconfig({ token: await kube.serviceAccountToken(BROKER_ACCOUNT, 3_600) });
    admin = await open(kube.kubeconfigPath);
    const { resource, namespace, name } = BASE;
    await admin.create(resource, { metadata: { namespace, name }, data: { mesh: BASE_MESH } });
    await admin.create(resource, { metadata: SPIRE_AGENT, data: { 'agent.conf': 'agent { sds { } }' } });
    west = await startEndpoint(cleanup, WEST);
  });
  after(() => cleanup.run());

  describe('sees less of the mesh:', () => {
    let api: ApiServer;

    before(async () => {
      api = await open(kubeconfig);
    });

    /** By the name of what is unknown, why. */
    const unknown = async (): Promise<ReadonlyMap<string, string>> => {
      const survey = await readSurvey(api, { spireAgentConfig: SPIRE_AGENT });
      const ref = { kind: 'ConfigMap', namespace: 'istio-system', name: 'istio-federation' } as const;
      const revisions = [{ revision: 'default', ref, base: undefined }];
      const checks = preflight({ ownTrustDomain: EAST, target: 'SharedConfigMap', revisions, survey });
      const { unread } = lintPeer({ ownTrustDomain: EAST, rootNamespace: 'istio-system', revisions, survey }, WEST);
      const open = checks.filter(({ status }) => status === 'Unknown');
      return new Map([...open, ...unread].map(({ id, message }) => [id, message]));
    };
    const idsOf = ({ sign }: LookingRow): readonly string[] => [...(sign.checks ?? []), ...(sign.rules ?? [])];

    for (const row of LOOKING_ROWS) {
      it(`${keyOf(row)}: ${row.stops}, no more, and all else is known as before`, async () => {
        const grant = `grant verb "${row.verb}" on resource "${row.resource}"`;
        await setRight(admin, row, 'Taken', BROKER_ACCOUNT);
        const without = await unknown();
        await setRight(admin, row, 'Given', BROKER_ACCOUNT);
        const asking = [...without].filter(([, message]) => message.includes('grant verb'));
        assert.deepEqual(asking.map(([id]) => id).sort(), [...idsOf(row)].sort());
        for (const [, message] of asking) assert.ok(message.includes(grant), message);
        const given = [...(await unknown()).values()];
        assert.ok(given.every((message) => !message.includes('grant verb')));
      });
    }
  });

  const loses = (istio: 'shared-config' | 'patch-base', rows: typeof KEEPING_ROWS) => {
    for (const row of rows) {
      it(`${keyOf(row)}: ${row.stops}, no more`, async () => {
        await using world = new MeshRightsWorld({ kube, admin, kubeconfig, west, istio }, row);
        await world.start();
        await eventually('the condition asks for it', () => world.seesSign(), { timeoutMs: 20_000, intervalMs: 50 });
        await world.changeByOthers();
        assert.equal(await world.works(row.stops), false, `${row.stops} all the same`);
        await world.giveBack();
        await world.untilAll([row.stops]);
      });
    }
  };

  describe('with a ConfigMap of our own:', () => {
    loses('shared-config', KEEPING_ROWS);
  });

  describe('in istiod’s own ConfigMap:', () => {
    before(async () => {
      await kube.kubectl(['delete', '-f', join(ROOT, 'deploy/rbac/istio/shared-mesh-config.yaml')]);
      await apply('patch-base.yaml');
    });

    loses('patch-base', PATCH_BASE_ROWS);
  });
});

/** Of the broker's account, in istiod's namespace. */
function roleWith(rules: readonly object[]): object {
  const metadata = { name: 'more-rights', namespace: BASE.namespace };
  const apiGroup = 'rbac.authorization.k8s.io';
  const roleRef = { apiGroup, kind: 'Role', name: metadata.name };
  const subjects = [{ kind: 'ServiceAccount', ...BROKER_ACCOUNT }];
  const items = [
    { apiVersion: `${apiGroup}/v1`, kind: 'Role', metadata, rules },
    { apiVersion: `${apiGroup}/v1`, kind: 'RoleBinding', metadata, roleRef, subjects },
  ];
  return { apiVersion: 'v1', kind: 'List', items };
}
