// What does a survey of the mesh tell, over any API server? (objects: mesh-survey-objects.ts)
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { systemClock } from '../../src/federation/clock.ts';
import type { Fact } from '../../src/federation/facts.ts';
import type { MeshSurvey } from '../../src/federation/mesh-survey.ts';
import type { ApiServer } from '../../src/kubernetes/api-server.ts';
import { MeshSurveyReader, type MeshSurveyOptions } from '../../src/kubernetes/mesh-survey.ts';
import { sourceOf } from '../istio/mesh-samples.ts';

export function readSurvey(
  api: Pick<ApiServer, 'get' | 'pages'>,
  changes: Partial<MeshSurveyOptions> = {},
): Promise<MeshSurvey> {
  const reader = new MeshSurveyReader({
    api,
    clock: systemClock,
    intervalMs: 60_000,
    istioNamespace: 'istio-system',
    spireAgentConfig: { namespace: 'spire-system', name: 'spire-agent' },
    ...changes,
  });
  return reader.read(new AbortController().signal);
}

export function valueOf<T>(fact: Fact<T> | undefined): T {
  if (fact?.state !== 'Known') throw new Error(`it is not known: ${JSON.stringify(fact)}`);
  return fact.value;
}

/** `subject` holds the standing objects. */
export function describeSurvey(subject: () => ApiServer): void {
  let survey: Promise<MeshSurvey> | undefined;
  const read = () => (survey ??= readSurvey(subject()));

  it('tells each istiod with its revision and the variables that matter', async () => {
    assert.deepEqual(valueOf((await read()).istiods), [
      {
        name: 'istiod',
        revision: 'default',
        environment: { SHARED_MESH_CONFIG: 'istio-federation', ISTIO_MULTIROOT_MESH: 'true' },
        unreadVariables: [],
      },
      { name: 'istiod-1-31', revision: '1-31', environment: {}, unreadVariables: ['PILOT_ENABLE_CA_CRL'] },
    ]);
  });

  it('counts proxies by who certifies them, and names some that take no roots of mesh config', async () => {
    assert.deepEqual(valueOf((await read()).proxies), {
      certifiedBySpire: 2,
      certifiedByIstiod: 3,
      takingMeshRoots: 1,
      notTakingMeshRoots: ['shop/by-istiod-off', 'shop/by-istiod-old'],
    });
  });

  it('finds what is ambient by the label of the namespace and of a pod', async () => {
    assert.deepEqual(valueOf((await read()).ambientNamespaces), ['mixed', 'zt']);
  });

  it('reads under which names SPIRE Agent serves roots', async () => {
    const sds = { defaultBundleName: 'null', defaultAllBundlesName: 'ROOTCA', spiffeValidationDisabled: false };
    assert.deepEqual(valueOf((await read()).spireAgent), sds);
  });

  it('reads what policies say of identities', async () => {
    assert.deepEqual(valueOf((await read()).authorizationPolicies), [
      {
        namespace: 'shop',
        name: 'allow',
        action: 'ALLOW',
        isSelective: true,
        rules: [
          {
            sources: [sourceOf({ namespaces: ['pay'] }), sourceOf({ principals: ['*'] })],
            conditions: [sourceOf({ namespaces: ['a'], notNamespaces: ['b'] })],
            isAboutIdentitiesAlone: false,
          },
        ],
      },
      {
        namespace: 'shop',
        name: 'deny',
        action: 'DENY',
        isSelective: false,
        rules: [
          { sources: [sourceOf({ notPrincipals: ['ours.test/*'] })], conditions: [], isAboutIdentitiesAlone: true },
        ],
      },
    ]);
  });

  it('reads how gateways end TLS, and what CAs they and destination rules name', async () => {
    const { gateways, destinationRules } = await read();
    assert.deepEqual(valueOf(gateways), [
      {
        namespace: 'shop',
        name: 'edge',
        servers: [
          { tlsMode: 'MUTUAL', port: 443, credentialNames: ['own', 'configmap://spire/west'] },
          { tlsMode: undefined, port: 80, credentialNames: [] },
        ],
      },
    ]);
    assert.deepEqual(valueOf(destinationRules), [
      {
        namespace: 'shop',
        name: 'west',
        host: 'pay.west.global',
        credentialNames: ['top', 'port', 'configmap://spire/west'],
        tlsMode: 'MUTUAL',
        subjectAltNames: ['spiffe://west.test/x'],
      },
    ]);
  });

  it('reads whom service entries expect', async () => {
    const subjectAltNames = ['spiffe://west.test/ns/pay/sa/api'];
    assert.deepEqual(valueOf((await read()).serviceEntries), [
      { namespace: 'shop', name: 'west', hosts: ['pay.west.global'], location: 'MESH_INTERNAL', subjectAltNames },
    ]);
  });
}
