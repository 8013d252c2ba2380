// Does each check pass where the mesh is as it should be, fail where it is not, and say so when it cannot know?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { IstiodDeployment, MeshDestinationRule, MeshSurvey } from '../../src/federation/mesh-survey.ts';
import { preflight } from '../../src/istio/preflight.ts';
import type { PreflightCheckId, PreflightFacts, PreflightStatus } from '../../src/istio/preflight-check.ts';
import { baseOf, fact, FORBIDDEN, istiodOf, OURS, revisionOf, surveyOf } from './mesh-samples.ts';

const facts = (changes: Partial<PreflightFacts> = {}): PreflightFacts => ({
  ownTrustDomain: OURS,
  target: 'SharedConfigMap',
  revisions: [revisionOf()],
  survey: surveyOf(),
  ...changes,
});
const withSurvey = (changes: Partial<MeshSurvey>) => facts({ survey: surveyOf(changes) });
const withIstiod = (changes: Partial<IstiodDeployment>) => withSurvey({ istiods: fact([istiodOf(changes)]) });
const withBase = (mesh: string) => facts({ revisions: [revisionOf({ base: baseOf(mesh) })] });
const withProxies = (certifiedBySpire: number, certifiedByIstiod: number, takingMeshRoots: number) => {
  const notTakingMeshRoots = takingMeshRoots < certifiedByIstiod ? ['shop/cart-1'] : [];
  return withSurvey({ proxies: fact({ certifiedBySpire, certifiedByIstiod, takingMeshRoots, notTakingMeshRoots }) });
};
const withSds = (defaultBundleName: string, defaultAllBundlesName: string, spiffeValidationDisabled = false) =>
  withSurvey({ spireAgent: fact({ defaultBundleName, defaultAllBundlesName, spiffeValidationDisabled }) });

const ID = 'spiffe://west.test/ns/pay/sa/api';
const rule = (host: string, tlsMode = 'ISTIO_MUTUAL'): MeshDestinationRule => ({
  ...{ namespace: 'shop', name: 'pin', host, credentialNames: [], tlsMode, subjectAltNames: ['pay.west.test'] },
});
const withEntry = (
  subjectAltNames: readonly string[],
  rules: readonly MeshDestinationRule[] = [],
  location = 'MESH_INTERNAL',
) =>
  withSurvey({
    serviceEntries: fact([{ namespace: 'shop', name: 'west', hosts: ['pay.west.global'], location, subjectAltNames }]),
    destinationRules: fact(rules),
  });

const NO_ISTIODS = withSurvey({ istiods: FORBIDDEN });
const NO_BASE = facts({ revisions: [revisionOf({ base: FORBIDDEN })] });
const NO_PODS = withSurvey({ proxies: FORBIDDEN });

type Case = readonly [what: string, facts: PreflightFacts, status: PreflightStatus, says: RegExp];

/** Besides the mesh in which all is well. */
const CASES: Readonly<Record<PreflightCheckId, readonly Case[]>> = {
  MultiRootEnabled: [
    ['the variable is not set', withIstiod({ environment: {} }), 'Failed', /pilot\.env\.ISTIO_MULTIROOT_MESH/],
    ['it is "false"', withIstiod({ environment: { ISTIO_MULTIROOT_MESH: 'false' } }), 'Failed', /set ISTIO_MULTIROOT/],
    ['it comes from elsewhere', withIstiod({ unreadVariables: ['ISTIO_MULTIROOT_MESH'] }), 'Unknown', /not read/],
    ['Deployments cannot be read', NO_ISTIODS, 'Unknown', /KubeForbidden/],
    ['the revision has no Deployment', withIstiod({ revision: '1-30' }), 'Unknown', /istio\.io\/rev=default/],
  ],
  XdsAgentEnabled: [
    ['no proxy has it', withProxies(0, 3, 0), 'Failed', /0 of 3 proxies.*PROXY_CONFIG_XDS_AGENT.*shop\/cart-1/],
    ['some have it', withProxies(0, 3, 2), 'Warning', /2 of 3 proxies/],
    ['none needs it', withProxies(3, 0, 0), 'OK', /0 of 0/],
    ['Pods cannot be read', NO_PODS, 'Unknown', /KubeForbidden: grant/],
  ],
  SharedMeshConfigWired: [
    ['the variable is not set', withIstiod({ environment: {} }), 'Failed', /pilot\.env\.SHARED_MESH_CONFIG/],
    ['it names another', withIstiod({ environment: { SHARED_MESH_CONFIG: 'x' } }), 'Failed', /"x".*fedbroker render/],
    [
      'no list is needed on SPIRE',
      withIstiod({ environment: { PILOT_SKIP_VALIDATE_TRUST_DOMAIN: 'true' } }),
      'Warning',
      /workloads on SPIRE do without it/,
    ],
    ['Deployments cannot be read', NO_ISTIODS, 'Unknown', /KubeForbidden/],
  ],
  BaseSetsCaCertificates: [
    ['it is an empty list', withBase(`trustDomain: ${OURS}\ncaCertificates: []`), 'Failed', /wins over/],
    ['it has a root', withBase('caCertificates: [{pem: x}]'), 'Failed', /meshConfig\.caCertificates/],
    ['there is no ConfigMap', facts({ revisions: [revisionOf({ base: fact(undefined) })] }), 'OK', /leaves/],
    ['it is no YAML', withBase('a: [b'), 'Unknown', /no YAML.*mend it/],
    ['it is not looked at', facts({ revisions: [revisionOf({ base: undefined })] }), 'Unknown', /not read/],
    ['it cannot be read', NO_BASE, 'Unknown', /KubeForbidden/],
  ],
  SpireSocketMounted: [
    ['no proxy has it', withProxies(0, 3, 3), 'Failed', /0 of 3 proxies.*csi\.spiffe\.io/],
    ['there are no proxies', withProxies(0, 0, 0), 'OK', /0 of 0/],
    ['Pods cannot be read', NO_PODS, 'Unknown', /KubeForbidden/],
  ],
  SpireSdsAllBundles: [
    ['the names are SPIRE’s defaults', withSds('ROOTCA', 'ALL'), 'Failed', /default_all_bundles_name = "ROOTCA"/],
    ['both names are the same', withSds('ROOTCA', 'ROOTCA'), 'Failed', /default_bundle_name = "null"/],
    ['its configuration cannot be read', withSurvey({ spireAgent: FORBIDDEN }), 'Unknown', /KubeForbidden/],
    ['nobody said where it is', withSurvey({ spireAgent: undefined }), 'Unknown', /set spireAgentConfig/],
  ],
  SpiffeValidationOn: [
    ['it is off', withSds('null', 'ROOTCA', true), 'Failed', /disable_spiffe_cert_validation/],
    ['its configuration cannot be read', withSurvey({ spireAgent: FORBIDDEN }), 'Unknown', /KubeForbidden/],
  ],
  TrustDomainMatches: [
    [
      'they differ',
      withBase('trustDomain: other.test'),
      'Failed',
      /"other\.test".*meshConfig\.trustDomain: ours\.test/,
    ],
    ['nothing is said', withBase(''), 'Failed', /"cluster\.local"/],
    ['it cannot be read', NO_BASE, 'Unknown', /KubeForbidden/],
  ],
  CrlEnforced: [
    ['the variable is set', withIstiod({ environment: { PILOT_ENABLE_CA_CRL: '1' } }), 'Warning', /revocation list/],
    ['it comes from elsewhere', withIstiod({ unreadVariables: ['PILOT_ENABLE_CA_CRL'] }), 'Unknown', /not read/],
    ['Deployments cannot be read', NO_ISTIODS, 'Unknown', /KubeForbidden/],
  ],
  AliasesPresent: [
    ['there are some', withBase('trustDomainAliases: [a.test, b.test]'), 'Warning', /a\.test, b\.test/],
    ['it cannot be read', NO_BASE, 'Unknown', /KubeForbidden/],
  ],
  SpiffeBundleUrlPresent: [
    [
      'there is one',
      withBase('caCertificates: [{spiffeBundleUrl: "https://w/"}, {pem: x}]'),
      'Warning',
      /https:\/\/w\//,
    ],
    ['it cannot be read', NO_BASE, 'Unknown', /KubeForbidden/],
  ],
  AmbientDetected: [
    [
      'there are many',
      withSurvey({ ambientNamespaces: fact(['a', 'b', 'c', 'd', 'e', 'f', 'g']) }),
      'Warning',
      /a, b, c, d, e and 2 more/,
    ],
    ['it cannot be read', withSurvey({ ambientNamespaces: FORBIDDEN }), 'Unknown', /KubeForbidden/],
  ],
  DnsNamesPinned: [
    ['no ServiceEntries are served', withSurvey({ serviceEntries: undefined }), 'OK', /no client/],
    [
      'an entry asks for a DNS name',
      withEntry(['pay.west.test']),
      'Warning',
      /^ServiceEntry shop\/west asks for "pay\.west\.test":.*SpireSds/,
    ],
    ['an entry asks for a SPIFFE ID too', withEntry(['pay.west.test', ID]), 'OK', /no client/],
    ['an entry is of a server outside', withEntry(['pay.west.test'], [], 'MESH_EXTERNAL'), 'OK', /no client/],
    [
      'a rule asks for one',
      withEntry([], [rule('pay.west.global')]),
      'Warning',
      /^DestinationRule shop\/pin asks.*spiffe:/,
    ],
    ['a rule for many hosts asks for one', withEntry([ID], [rule('*.global')]), 'Warning', /DestinationRule shop\/pin/],
    ['a rule is for another host', withEntry([], [rule('api.example.com')]), 'OK', /no client/],
    ['a rule has roots of its own', withEntry([], [rule('pay.west.global', 'SIMPLE')]), 'OK', /no client/],
    [
      'many ask',
      withEntry(
        ['a'],
        Array.from({ length: 9 }, () => rule('*')),
      ),
      'Warning',
      /and 7 more: /,
    ],
    ['ServiceEntries cannot be read', withSurvey({ serviceEntries: FORBIDDEN }), 'Unknown', /KubeForbidden: grant/],
    ['rules cannot be read', withSurvey({ ...withEntry([]).survey, destinationRules: FORBIDDEN }), 'Unknown', /grant/],
    [
      'rules cannot be read, and an entry asks',
      withSurvey({ ...withEntry(['a']).survey, destinationRules: FORBIDDEN }),
      'Warning',
      /ServiceEntry/,
    ],
    ['rules cannot be read, and no host is brought in', withSurvey({ destinationRules: FORBIDDEN }), 'OK', /no client/],
  ],
};

const resultsOf = (id: PreflightCheckId, given: PreflightFacts) => preflight(given).filter((check) => check.id === id);

describe('preflight', () => {
  it('finds all well in a mesh that is as it should be, and has tests for every check', () => {
    const checks = preflight(facts());
    assert.deepEqual(
      checks.filter(({ status }) => status !== 'OK'),
      [],
    );
    assert.deepEqual(new Set(checks.map(({ id }) => id)), new Set(Object.keys(CASES)));
  });

  for (const [id, cases] of Object.entries(CASES) as [PreflightCheckId, readonly Case[]][]) {
    for (const [what, given, status, says] of cases) {
      it(`${id} is ${status} when ${what}`, () => {
        const [check, more] = resultsOf(id, given);
        assert.equal(more, undefined);
        assert.equal(check?.status, status);
        assert.match(check.message, says);
      });
    }
  }

  it('judges each revision of istiod by itself', () => {
    const canary = revisionOf({
      revision: '1-31',
      ref: { kind: 'ConfigMap', namespace: 'istio-system', name: 'istio-federation-1-31' },
    });
    const istiods = fact([istiodOf(), istiodOf({ name: 'istiod-1-31', revision: '1-31', environment: {} })]);
    const results = resultsOf('SharedMeshConfigWired', {
      ...withSurvey({ istiods }),
      revisions: [revisionOf(), canary],
    });
    assert.deepEqual(
      results.map(({ revision, status }) => [revision, status]),
      [
        ['default', 'OK'],
        ['1-31', 'Failed'],
      ],
    );
  });

  it('asks for no shared mesh config when istiod’s own is patched', () => {
    const patched = { ...withBase('caCertificates: []'), target: 'PatchBase' } as const;
    assert.deepEqual(resultsOf('SharedMeshConfigWired', patched), []);
    assert.deepEqual(resultsOf('BaseSetsCaCertificates', patched), []);
  });

  it('says for which anchors a check counts', () => {
    const anchorsOf = (id: PreflightCheckId) => resultsOf(id, facts())[0]?.anchors;
    assert.deepEqual(anchorsOf('MultiRootEnabled'), ['Constrained', 'Flat']);
    assert.deepEqual(anchorsOf('SpireSdsAllBundles'), ['SpireSds']);
    assert.deepEqual(anchorsOf('SharedMeshConfigWired'), ['SpireSds', 'Constrained', 'Flat']);
  });
});
