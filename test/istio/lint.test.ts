// Is everything found that would take a peer's workloads for ours, and nothing that names the peer on purpose?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AuthorizationPolicy, MeshSurvey, PolicySource } from '../../src/federation/mesh-survey.ts';
import { blocksActivation, lintPeer, type LintFacts, type LintRuleId } from '../../src/istio/lint.ts';
import { baseOf, fact, FORBIDDEN, OURS, policyOf, revisionOf, sourceOf, surveyOf, WEST } from './mesh-samples.ts';

const withSurvey = (changes: Partial<MeshSurvey>): LintFacts => ({
  ownTrustDomain: OURS,
  rootNamespace: 'istio-system',
  revisions: [revisionOf()],
  survey: surveyOf(changes),
});
const withPolicies = (...policies: readonly AuthorizationPolicy[]) =>
  withSurvey({ authorizationPolicies: fact(policies) });
const allow = (...sources: readonly Partial<PolicySource>[]) => policyOf('ALLOW', sources);
const deny = (...sources: readonly Partial<PolicySource>[]) => policyOf('DENY', sources);

const server = (tlsMode: string | undefined) => ({ tlsMode, port: 15443, credentialNames: [] });
const gateway = (tlsMode: string | undefined) =>
  withSurvey({ gateways: fact([{ namespace: 'edge', name: 'east-west', servers: [server(tlsMode)] }]) });

const entry = (location: string, subjectAltNames: readonly string[], pinned: readonly string[] = []) =>
  withSurvey({
    serviceEntries: fact([{ namespace: 'shop', name: 'west', hosts: ['pay.west.global'], location, subjectAltNames }]),
    destinationRules: fact([
      {
        namespace: 'shop',
        name: 'west',
        host: 'pay.west.global',
        credentialNames: [],
        tlsMode: 'ISTIO_MUTUAL',
        subjectAltNames: pinned,
      },
    ]),
  });

const withBase = (mesh: string): LintFacts => ({ ...withSurvey({}), revisions: [revisionOf({ base: baseOf(mesh) })] });

/** `finds`: what the message says to write instead; undefined: nothing is found. */
type Case = readonly [what: string, facts: LintFacts, finds: RegExp | undefined];

const CASES: Readonly<Record<LintRuleId, readonly Case[]>> = {
  PolicyAllowsSameNames: [
    [
      'namespaces',
      withPolicies(allow({ namespaces: ['pay', 'web*'] })),
      /\[ours\.test\/ns\/pay\/\*, ours\.test\/ns\/web\*\]/,
    ],
    [
      'service accounts',
      withPolicies(allow({ serviceAccounts: ['pay/api', 'web'] })),
      /ns\/pay\/sa\/api, ours\.test\/ns\/shop\/sa\/web\]/,
    ],
    [
      'principals of any trust domain',
      withPolicies(allow({ principals: ['*/ns/pay/sa/api'] })),
      /\[ours\.test\/ns\/pay\/sa\/api\]/,
    ],
    ['any principal', withPolicies(allow({ principals: ['*'] })), /principals: \[ours\.test\/\*\]/],
    ['a prefix that the peer has too', withPolicies(allow({ principals: ['west*'] })), /west\*/],
    [
      'the second of two sources',
      withPolicies(allow({ principals: ['ours.test/*'] }, { namespaces: ['pay'] })),
      /ns\/pay/,
    ],
    [
      'a condition on the namespace',
      withPolicies({
        ...allow(),
        rules: [{ sources: [], conditions: [sourceOf({ namespaces: ['pay'] })], isAboutIdentitiesAlone: true }],
      }),
      /ns\/pay/,
    ],
    [
      'principals of ours',
      withPolicies(allow({ principals: ['ours.test/ns/pay/sa/api', 'cluster.local/*'] })),
      undefined,
    ],
    [
      'the peer by its name',
      withPolicies(allow({ principals: ['west.test/ns/pay/sa/api', 'west.test/*'] })),
      undefined,
    ],
    [
      'namespaces of our trust domain',
      withPolicies(allow({ namespaces: ['pay'], trustDomains: ['ours.test'] })),
      undefined,
    ],
    ['namespaces of the peer', withPolicies(allow({ namespaces: ['pay'], trustDomains: ['west.test'] })), undefined],
    [
      'namespaces but for the peer',
      withPolicies(allow({ namespaces: ['pay'], notTrustDomains: ['west.test'] })),
      undefined,
    ],
    [
      'namespaces but for the peer’s principals',
      withPolicies(allow({ namespaces: ['pay'], notPrincipals: ['west.test/*'] })),
      undefined,
    ],
    ['everybody', withPolicies(allow({})), undefined],
    [
      'namespaces under a condition on principals of ours',
      withPolicies({
        ...allow(),
        rules: [
          {
            sources: [sourceOf({ namespaces: ['pay'] })],
            conditions: [sourceOf({ principals: ['ours.test/*'] })],
            isAboutIdentitiesAlone: true,
          },
        ],
      }),
      undefined,
    ],
    ['namespaces, in an audit', withPolicies(policyOf('AUDIT', [{ namespaces: ['pay'] }])), undefined],
    [
      'namespaces, where the whole mesh denies other trust domains',
      withPolicies(
        allow({ namespaces: ['pay'] }),
        policyOf('DENY', [{ notPrincipals: ['ours.test/*', 'west.test/ns/pay/sa/api'] }], {
          namespace: 'istio-system',
        }),
      ),
      undefined,
    ],
    [
      'namespaces, where only another namespace does',
      withPolicies(
        allow({ namespaces: ['pay'] }),
        policyOf('DENY', [{ notPrincipals: ['ours.test/*'] }], { namespace: 'other' }),
      ),
      /ns\/pay/,
    ],
    [
      'namespaces, where some workloads do',
      withPolicies(
        allow({ namespaces: ['pay'] }),
        policyOf('DENY', [{ notTrustDomains: ['ours.test'] }], { isSelective: true }),
      ),
      /ns\/pay/,
    ],
    [
      'namespaces, where all of the peer is exempt',
      withPolicies(allow({ namespaces: ['pay'] }), deny({ notPrincipals: ['ours.test/*', 'west.test/*'] })),
      /ns\/pay/,
    ],
  ],
  PolicyExemptsSameNames: [
    ['namespaces', withPolicies(deny({ notNamespaces: ['pay'] })), /write notPrincipals: \[ours\.test\/ns\/pay\/\*\]/],
    ['service accounts', withPolicies(deny({ notServiceAccounts: ['pay/api'] })), /ours\.test\/ns\/pay\/sa\/api/],
    [
      'principals of any trust domain',
      withPolicies(deny({ notPrincipals: ['*/ns/pay/sa/api'] })),
      /ours\.test\/ns\/pay\/sa\/api/,
    ],
    ['principals of ours', withPolicies(deny({ notPrincipals: ['ours.test/*'] })), undefined],
    [
      'namespaces, and denies other trust domains',
      withPolicies(deny({ notNamespaces: ['pay'] }, { notTrustDomains: ['ours.test'] })),
      undefined,
    ],
    [
      'namespaces, of our trust domain',
      withPolicies(deny({ notNamespaces: ['pay'], trustDomains: ['ours.test'] })),
      undefined,
    ],
    ['none', withPolicies(deny({ namespaces: ['pay'] })), undefined],
  ],
  GatewayTakesEveryPeer: [
    ['ISTIO_MUTUAL', gateway('ISTIO_MUTUAL'), /port 15443.*tls\.mode: MUTUAL/],
    ['MUTUAL', gateway('MUTUAL'), undefined],
    ['AUTO_PASSTHROUGH', gateway('AUTO_PASSTHROUGH'), undefined],
    ['no TLS', gateway(undefined), undefined],
  ],
  ServiceEntryTakesEveryPeer: [
    ['no names', entry('MESH_INTERNAL', []), /pay\.west\.global.*subjectAltNames: \[spiffe:/],
    ['names', entry('MESH_INTERNAL', ['spiffe://west.test/ns/pay/sa/api']), undefined],
    ['names in the destination rule', entry('MESH_INTERNAL', [], ['spiffe://west.test/ns/pay/sa/api']), undefined],
    ['no names, outside the mesh', entry('MESH_EXTERNAL', []), undefined],
  ],
  AliasIsPeer: [
    ['the peer', withBase('trustDomainAliases: [west.test]'), /trustDomainAliases/],
    ['another', withBase('trustDomainAliases: [old.test]'), undefined],
    ['none, without a ConfigMap', { ...withSurvey({}), revisions: [revisionOf({ base: fact(undefined) })] }, undefined],
  ],
};

describe('lint', () => {
  for (const [id, cases] of Object.entries(CASES) as [LintRuleId, readonly Case[]][]) {
    for (const [what, facts, finds] of cases) {
      it(`${id} ${finds === undefined ? 'leaves' : 'finds'} ${what}`, () => {
        const { findings, unread } = lintPeer(facts, WEST);
        const found = findings.filter((finding) => finding.id === id);
        assert.deepEqual(unread, []);
        assert.equal(found.length, finds === undefined ? 0 : 1);
        if (finds !== undefined) assert.match(found[0]!.message, finds);
      });
    }
  }

  it('names the object', () => {
    const [finding] = lintPeer(gateway('ISTIO_MUTUAL'), WEST).findings;
    assert.deepEqual([finding?.kind, finding?.namespace, finding?.name], ['Gateway', 'edge', 'east-west']);
    const [alias] = lintPeer(withBase('trustDomainAliases: [west.test]'), WEST).findings;
    assert.deepEqual([alias?.kind, alias?.namespace, alias?.name], ['ConfigMap', 'istio-system', 'istio']);
  });

  it('keeps a peer out under strict alone, and there also when something could not be read', () => {
    const clean = lintPeer(withSurvey({}), WEST);
    const found = lintPeer(gateway('ISTIO_MUTUAL'), WEST);
    const unread = lintPeer(
      { ...withSurvey({ gateways: FORBIDDEN }), revisions: [revisionOf({ base: FORBIDDEN })] },
      WEST,
    );
    assert.deepEqual(
      unread.unread.map(({ id }) => id),
      ['GatewayTakesEveryPeer', 'AliasIsPeer'],
    );
    const blocks = (strictness: 'strict' | 'lenient') =>
      [clean, found, unread].map((report) => blocksActivation(report, strictness));
    assert.deepEqual(
      [blocks('strict'), blocks('lenient')],
      [
        [false, true, true],
        [false, false, false],
      ],
    );
  });

  it('tells destination rules that it cannot read, with the finding that they might have answered', () => {
    const facts = { ...entry('MESH_INTERNAL', []).survey, destinationRules: FORBIDDEN };
    const report = lintPeer(withSurvey(facts), WEST);
    assert.deepEqual(
      [report.findings.map(({ id }) => id), report.unread.map(({ id }) => id)],
      [['ServiceEntryTakesEveryPeer'], ['ServiceEntryTakesEveryPeer']],
    );
    assert.match(report.unread[0]!.message, /^KubeForbidden/);
    assert.equal(blocksActivation(lintPeer(withSurvey({ destinationRules: FORBIDDEN }), WEST), 'strict'), true);
  });

  it('has nothing to find where Istio’s resources are not served', () => {
    const none = { authorizationPolicies: undefined, gateways: undefined, serviceEntries: undefined };
    assert.deepEqual(lintPeer(withSurvey(none), WEST), { findings: [], unread: [] });
  });
});
