// Which function stops when one right is taken away, does the broker name the right, and does it go on when it is given back?
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { systemClock } from '../../src/federation/clock.ts';
import { openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import { CLUSTER_SPIFFE_IDS } from '../../src/kubernetes/cluster-spiffeids.ts';
import { CONFIG_MAPS } from '../../src/kubernetes/core-resources.ts';
import { ROOT } from '../deploy/dockerfile.ts';
import { RIGHT_ROWS } from '../deploy/right-rows.ts';
import { Cleanup } from './harness/cleanup.ts';
import { CONTROLLER_MANAGER_DEFINITIONS } from './harness/controller-manager-resources.ts';
import { eventually } from './harness/eventually.ts';
import { startKubeApiServer } from './harness/kube-api-server.ts';
import { DUTIES, stopsWithout } from './harness/broker-duties.ts';
import { startEndpoint, type Endpoint } from './harness/in-process-broker.ts';
import { CLUSTER_SPIFFE_ID, EAST, RightsWorld, WAIT } from './harness/rights-world.ts';
import { ACCOUNT, NAMESPACE } from './harness/role-rights.ts';

const [WEST, SOUTH] = [parseTrustDomain('west.test'), parseTrustDomain('south.test')];

describe('a broker without one of its rights', () => {
  const cleanup = new Cleanup();
  let admin: ApiServer;
  let kubeconfig: string;
  let peers: Readonly<Record<'west' | 'south', Endpoint>>;

  before(async () => {
    const kube = await startKubeApiServer(cleanup);
    const input = CONTROLLER_MANAGER_DEFINITIONS.map((each) => JSON.stringify(each)).join('\n---\n');
    await kube.kubectl(['create', 'namespace', NAMESPACE]);
    await kube.kubectl(['apply', '--server-side', '-f', '-'], { input });
    await kube.kubectl(['apply', '--server-side', '-f', join(ROOT, 'test/deploy/spire-server.yaml')]);
    await kube.kubectl(['apply', '--server-side', '-k', join(ROOT, 'deploy/kustomize/overlays/sidecar')]);
    await kube.kubectl(['apply', '--server-side', '-f', join(ROOT, 'deploy/rbac/bootstrap.yaml')]);
    const subject = `--serviceaccount=${ACCOUNT.namespace}:${ACCOUNT.name}`;
    const role = '--role=spire-federation-broker-bootstrap';
    await kube.kubectl(['create', 'rolebinding', 'bootstrap', subject, role, `--namespace=${NAMESPACE}`]);
    kubeconfig = kube.kubeconfig({ token: await kube.serviceAccountToken(ACCOUNT, 3_600) });
    admin = await openApiServer({ access: { path: kube.kubeconfigPath }, clock: systemClock, timeoutMs: 10_000 });
    cleanup.add(() => {
      admin.close();
    });
    const data = {
      'controller-manager-config.yaml': `trustDomain: ${EAST}\nclassName: spire\nentryIDPrefix: cluster\n`,
    };
    await admin.create(CONFIG_MAPS, { metadata: { name: 'spire-controller-manager', namespace: NAMESPACE }, data });
    const spec = { spiffeIDTemplate: `spiffe://${EAST}/api`, className: 'spire' };
    await admin.create(CLUSTER_SPIFFE_IDS, {
      metadata: { name: CLUSTER_SPIFFE_ID.name, labels: { federate: 'west' } },
      spec,
    });
    peers = { west: await startEndpoint(cleanup, WEST), south: await startEndpoint(cleanup, SOUTH) };
  });
  after(() => cleanup.run());

  for (const row of RIGHT_ROWS) {
    it(`${row.verb} ${row.resource} (${row.file}): ${row.stops}, no more`, async () => {
      await using world = new RightsWorld({ admin, kubeconfig, peers }, row);
      await world.start();
      const unaffected = DUTIES.filter((duty) => !stopsWithout(duty, row.stops));
      await world.untilAll(unaffected);
      await eventually(`${JSON.stringify(row.sign)} is seen`, () => world.seesSign(), WAIT);
      assert.equal(await world.works(row.stops), false, `${row.stops} all the same`);
      assert.deepEqual(world.otherRefusals(), []);
      await world.giveBack();
      await world.untilAll(DUTIES);
    });
  }
});
