// Is the mesh surveyed as it is, also where much of it may not be read, and at small cost?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../src/federation/clock.ts';
import { meshObjectKey } from '../../src/federation/mesh-objects.ts';
import { CA_REFERRER_KINDS } from '../../src/kubernetes/gateway-api-resources.ts';
import type { MeshSurvey } from '../../src/federation/mesh-survey.ts';
import { openApiServer, type ApiServer } from '../../src/kubernetes/api-server.ts';
import { CONFIG_MAPS } from '../../src/kubernetes/core-resources.ts';
import type { Resource } from '../../src/kubernetes/kube-object.ts';
import { PODS } from '../../src/kubernetes/mesh-proxies.ts';
import { MeshSurveyReader, NAMESPACES } from '../../src/kubernetes/mesh-survey.ts';
import { describeSurvey, readSurvey, valueOf } from '../contract/mesh-survey-contract.ts';
import { STANDING } from '../contract/mesh-survey-objects.ts';
import { startFakeApiServer, type FakeApiServer } from '../fakes/fake-api-server.ts';
import { FakeClock } from '../fakes/fake-clock.ts';

const RESOURCES = [...new Set(STANDING.map(({ resource }) => resource))].filter(
  ({ plural }) => plural !== 'configmaps',
);

/** What is not known of it, and why. */
function reasons(survey: MeshSurvey): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(survey as unknown as Record<string, { state: string; reason?: string } | undefined>).flatMap(
      ([part, fact]) => (fact?.state === 'Known' ? [] : [[part, fact?.reason ?? 'absent']]),
    ),
  );
}

function caKeys({ gatewayApi }: MeshSurvey): readonly string[] {
  return valueOf(gatewayApi).flatMap(({ caObjects }) => caObjects.map(meshObjectKey));
}

describe('MeshSurveyReader', () => {
  let kube: FakeApiServer;
  let api: ApiServer;

  const start = async (resources: readonly Resource[]) => {
    const started = await startFakeApiServer(resources);
    const opened = await openApiServer({
      access: await started.serviceAccount(),
      clock: systemClock,
      timeoutMs: 5_000,
    });
    return { started, opened };
  };

  before(async () => {
    ({ started: kube, opened: api } = await start(RESOURCES));
    for (const { resource, object } of STANDING) await api.create(resource, object);
  });
  after(async () => {
    api.close();
    await kube.close();
  });

  describeSurvey(() => api);

  it('tells of each part that may not be read why, and reads the others', async () => {
    const forbidden = new Set(['pods', 'deployments', 'configmaps', 'gateways']);
    kube.isAllowed = ({ resource }) => !forbidden.has(resource);
    const survey = await readSurvey(api);
    kube.isAllowed = () => true;
    assert.deepEqual(reasons(survey), {
      istiods: 'KubeForbidden',
      proxies: 'KubeForbidden',
      spireAgent: 'KubeForbidden',
      gateways: 'KubeForbidden',
      gatewayApi: 'absent',
    });
    assert.deepEqual(valueOf(survey.ambientNamespaces), ['zt']);
  });

  it('does not say that nothing is ambient while pods or namespaces cannot be read', async () => {
    const { started, opened } = await start([PODS, NAMESPACES]);
    for (const unread of ['pods', 'namespaces']) {
      started.isAllowed = ({ resource }) => resource !== unread;
      assert.equal((await readSurvey(opened)).ambientNamespaces.state, 'Unreadable');
    }
    started.isAllowed = () => true;
    assert.deepEqual(valueOf((await readSurvey(opened)).ambientNamespaces), []);
    opened.close();
    await started.close();
  });

  const CA = (name: string, more: object = {}) => ({ group: '', kind: 'ConfigMap', name, ...more });
  const GATEWAY = {
    listeners: [{ tls: { frontendValidation: { caCertificateRefs: [CA('a'), CA('b', { namespace: 'spire' })] } } }],
    tls: {
      frontend: {
        default: { validation: { caCertificateRefs: [CA('c', { kind: 'Secret' })] } },
        perPort: [{ port: 443, tls: { validation: { caCertificateRefs: [CA('d'), CA('e', { group: 'x.test' })] } } }],
      },
    },
  };

  const [[GATEWAYS_V1], [LISTENER_SETS], [X_LISTENER_SETS], POLICIES] = CA_REFERRER_KINDS.map(
    ({ versions }) => versions,
  ) as unknown as readonly [readonly [Resource], readonly [Resource], readonly [Resource], readonly Resource[]];
  const metadata = { name: 'edge', namespace: 'shop' };

  for (const policies of POLICIES) {
    it(`reads what CAs the Gateway API names, where BackendTLSPolicy is ${policies.version}`, async () => {
      const { started, opened } = await start([GATEWAYS_V1, policies]);
      await opened.create(GATEWAYS_V1, { metadata, spec: GATEWAY });
      await opened.create(policies, { metadata, spec: { validation: { caCertificateRefs: [CA('f')] } } });
      assert.deepEqual(caKeys(await readSurvey(opened)), [
        ...['ConfigMap/shop/a', 'ConfigMap/spire/b', 'Secret/shop/c', 'ConfigMap/shop/d', 'ConfigMap/shop/f'],
      ]);
      for (const unread of ['gateways', 'backendtlspolicies']) {
        started.isAllowed = ({ resource }) => resource !== unread;
        assert.equal(reasons(await readSurvey(opened))['gatewayApi'], 'KubeForbidden');
      }
      opened.close();
      await started.close();
    });
  }

  for (const sets of [LISTENER_SETS, X_LISTENER_SETS]) {
    it(`reads what CAs the listeners of a ${sets.kind} have, beside their certificates too`, async () => {
      const { started, opened } = await start([GATEWAYS_V1, sets]);
      const certificateRefs = [{ name: 'west' }, { kind: 'Secret', group: '', name: 'north', namespace: 'edge' }];
      const options = { 'gateway.istio.io/tls-terminate-mode': 'MUTUAL' };
      const foreign = { certificateRefs: [{ group: 'x.test', kind: 'Certificate', name: 'south' }] };
      await opened.create(GATEWAYS_V1, { metadata, spec: { listeners: [{ tls: { certificateRefs, options } }] } });
      const validated = { frontendValidation: { caCertificateRefs: [CA('a')] }, certificateRefs: [{ name: 'east' }] };
      await opened.create(sets, { metadata, spec: { listeners: [{ tls: validated }, { tls: foreign }, {}] } });
      assert.deepEqual(caKeys(await readSurvey(opened)), [
        ...['Secret/shop/west', 'Secret/edge/north', 'ConfigMap/shop/a', 'Secret/shop/east'],
      ]);
      started.isAllowed = ({ resource }) => resource !== sets.plural;
      assert.equal(reasons(await readSurvey(opened))['gatewayApi'], 'KubeForbidden');
      opened.close();
      await started.close();
    });
  }

  it('leaves out what the API server does not serve, and what nobody said where to find', async () => {
    const { started, opened } = await start([]);
    assert.deepEqual(reasons(await readSurvey(opened, { spireAgentConfig: undefined })), {
      istiods: 'KubeResourceUnknown',
      proxies: 'KubeResourceUnknown',
      ambientNamespaces: 'KubeResourceUnknown',
      spireAgent: 'absent',
      authorizationPolicies: 'absent',
      gateways: 'absent',
      serviceEntries: 'absent',
      destinationRules: 'absent',
      gatewayApi: 'absent',
    });
    opened.close();
    await started.close();
  });

  it('says so when the ConfigMap named for SPIRE Agent is not there, or is another’s', async () => {
    const elsewhere = { spireAgentConfig: { namespace: 'spire-system', name: 'absent' } };
    const { spireAgent } = await readSurvey(api, elsewhere);
    assert.equal(spireAgent?.state === 'Unreadable' && spireAgent.reason, 'KubeNotFound');
    const metadata = { name: 'other', namespace: 'spire-system' };
    await api.create(CONFIG_MAPS, { metadata, data: { a: 'b' } });
    const other = await readSurvey(api, { spireAgentConfig: metadata });
    assert.equal(other.spireAgent?.state === 'Unreadable' && other.spireAgent.reason, 'KubeInvalid');
  });

  it('reads one list at a time, pods in small pages without those that have ended', async () => {
    let atOnce = 0;
    let most = 0;
    const counting = {
      get: api.get.bind(api),
      async *pages(...call: Parameters<ApiServer['pages']>) {
        most = Math.max(most, (atOnce += 1));
        try {
          yield* api.pages(...call);
        } finally {
          atOnce -= 1;
        }
      },
    };
    await readSurvey(counting);
    assert.equal(most, 1);
    const pods = kube.requests.findLast(({ resource }) => resource === 'pods');
    assert.equal(pods?.query.get('limit'), '100');
    assert.equal(pods.query.get('fieldSelector'), 'status.phase!=Succeeded,status.phase!=Failed');
  });

  it('looks again when its interval is over, until it is stopped', async () => {
    const clock = new FakeClock();
    const stop = new AbortController();
    const options = { api, clock, intervalMs: 60_000, istioNamespace: 'istio-system', spireAgentConfig: undefined };
    let told: () => void = () => undefined;
    const next = () => new Promise<void>((resolve) => (told = resolve));
    const first = next();
    const running = new MeshSurveyReader(options).watch(() => {
      told();
    }, stop.signal);
    await first;
    const second = next();
    await new Promise(setImmediate);
    clock.advance(60_000);
    await second;
    stop.abort();
    await running;
  });
});
