// What in the mesh would let a peer's workloads in as if they were ours, once its roots are accepted? One row a rule,
// read before a peer is activated. (Istio 1.29 to 1.31)
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Fact } from '../federation/facts.ts';
import type { AuthorizationPolicy, MeshPlace, MeshSurvey, PolicySource } from '../federation/mesh-survey.ts';
import { aliasesOf } from './base-mesh.ts';
import { deniesPeer, namelessExemptions, namelessSources } from './policy-admission.ts';
import type { RevisionConfig } from './preflight-check.ts';

export type LintRuleId =
  | 'PolicyAllowsSameNames'
  | 'PolicyExemptsSameNames'
  | 'GatewayTakesEveryPeer'
  | 'ServiceEntryTakesEveryPeer'
  | 'AliasIsPeer';

export interface LintFinding extends MeshPlace {
  readonly id: LintRuleId;
  readonly kind: string;
  /** What it lets in, and what to write instead. */
  readonly message: string;
}

export interface LintReport {
  readonly findings: readonly LintFinding[];
  /** The rules that could not be applied, and why. */
  readonly unread: readonly { readonly id: LintRuleId; readonly message: string }[];
}

export interface LintFacts {
  readonly ownTrustDomain: TrustDomain;
  /** Policies there are for the whole mesh. */
  readonly rootNamespace: string;
  readonly revisions: readonly RevisionConfig[];
  readonly survey: MeshSurvey;
}

type Found = Omit<LintFinding, 'id'>;

interface Row {
  readonly id: LintRuleId;
  readonly apply: (facts: LintFacts, peer: TrustDomain) => Fact<readonly Found[]> | undefined;
  /** What it looks at besides, without which it may find too much. */
  readonly alsoReads?: (survey: MeshSurvey) => Fact<unknown> | undefined;
}

const ROWS: readonly Row[] = [
  {
    id: 'PolicyAllowsSameNames',
    apply: ({ survey, ownTrustDomain, rootNamespace }, peer) =>
      mapped(survey.authorizationPolicies, (policies) => {
        const isGuarded = guardOf(policies, rootNamespace, peer);
        return policies
          .filter(({ action, namespace }) => action === 'ALLOW' && !isGuarded(namespace))
          .flatMap((policy) => {
            const sources = policy.rules.flatMap((rule) => namelessSources(rule, peer));
            const says = `it allows identities of every trust domain, ${peer} too, that are named like ours`;
            return policyFinding(policy, sources, ownTrustDomain, { says, field: 'principals' });
          });
      }),
  },
  {
    id: 'PolicyExemptsSameNames',
    apply: ({ survey, ownTrustDomain, rootNamespace }, peer) =>
      mapped(survey.authorizationPolicies, (policies) => {
        const isGuarded = guardOf(policies, rootNamespace, peer);
        return policies
          .filter(({ action, namespace }) => action === 'DENY' && !isGuarded(namespace))
          .flatMap((policy) => {
            const sources = policy.rules.flatMap((rule) => namelessExemptions(rule, peer)).map(exempted);
            const says = `what it denies, it lets pass for identities of every trust domain, ${peer} too, that are named like ours`;
            return policyFinding(policy, sources, ownTrustDomain, { says, field: 'notPrincipals' });
          });
      }),
  },
  {
    id: 'GatewayTakesEveryPeer',
    apply: ({ survey }, peer) =>
      mapped(survey.gateways, (gateways) =>
        gateways.flatMap(({ servers, ...place }) =>
          servers
            .filter(({ tlsMode }) => tlsMode === 'ISTIO_MUTUAL')
            .map(({ port = '?' }) => ({
              kind: 'Gateway',
              ...place,
              message: `its server on port ${port} takes every certificate with an accepted root, of ${peer} too, whatever trust domain it names; write tls.mode: MUTUAL with the CA object of one peer (gatewayCAs) in caCertCredentialName, or an AuthorizationPolicy for the gateway that names principals`,
            })),
        ),
      ),
  },
  {
    id: 'ServiceEntryTakesEveryPeer',
    alsoReads: ({ destinationRules }) => destinationRules,
    apply: ({ survey }, peer) =>
      mapped(survey.serviceEntries, (entries) => {
        // Rules that cannot be read pin nothing, and are told beside it.
        const rules = survey.destinationRules?.state === 'Known' ? survey.destinationRules.value : [];
        const pinned = new Set(
          rules.flatMap(({ host, subjectAltNames }) => (subjectAltNames.length > 0 ? [host] : [])),
        );
        return entries
          .filter(({ location, subjectAltNames }) => location === 'MESH_INTERNAL' && subjectAltNames.length === 0)
          .filter(({ hosts }) => !hosts.every((host) => pinned.has(host)))
          .map(({ namespace, name, hosts }) => ({
            kind: 'ServiceEntry',
            namespace,
            name,
            message: `clients of ${hosts.join(', ')} accept any identity with an accepted root there, of ${peer} too; write subjectAltNames: [spiffe://<trust domain>/ns/<namespace>/sa/<service account>]`,
          }));
      }),
  },
  {
    id: 'AliasIsPeer',
    apply: ({ revisions }, peer) => aliasFindings(revisions, peer),
  },
];

export function lintPeer(facts: LintFacts, peer: TrustDomain): LintReport {
  const results = ROWS.map(({ id, apply, alsoReads }) => {
    const found = apply(facts, peer);
    return { id, found, read: [found, alsoReads?.(facts.survey)] };
  });
  return {
    findings: results.flatMap(({ id, found }) =>
      found?.state === 'Known' ? found.value.map((finding) => ({ id, ...finding })) : [],
    ),
    unread: results.flatMap(({ id, read }) =>
      read.flatMap((fact) =>
        fact?.state === 'Unreadable' ? [{ id, message: `${fact.reason}: ${fact.message}` }] : [],
      ),
    ),
  };
}

/** Under `strict` a peer is let in when nothing was found, and everything could be looked at. */
export function blocksActivation({ findings, unread }: LintReport, strictness: 'strict' | 'lenient'): boolean {
  return strictness === 'strict' && findings.length + unread.length > 0;
}

/** Undefined, where there is no such resource, has nothing to find. */
function mapped<T>(
  fact: Fact<T> | undefined,
  find: (value: T) => readonly Found[],
): Fact<readonly Found[]> | undefined {
  return fact?.state === 'Known' ? { ...fact, value: find(fact.value) } : fact;
}

function aliasFindings(revisions: readonly RevisionConfig[], peer: TrustDomain): Fact<readonly Found[]> | undefined {
  const bases = revisions.flatMap(({ base }) => (base === undefined ? [] : [base]));
  const unread = bases.find((base) => base.state === 'Unreadable');
  if (unread?.state === 'Unreadable') return unread;
  const found = bases.flatMap((base): readonly Found[] => {
    const object = base.state === 'Known' ? base.value : undefined;
    if (object === undefined || !aliasesOf([base]).has(peer)) return [];
    const { kind, namespace, name } = object;
    const message = `${peer} is an alias of the mesh, so that each of its identities is the same as ours for every policy; take it out of trustDomainAliases (Helm value meshConfig.trustDomainAliases)`;
    return [{ kind, namespace, name, message }];
  });
  return bases[0] && { state: 'Known', value: found, at: bases[0].at };
}

/** Whether every identity of the peer is denied there that is not named. */
function guardOf(
  policies: readonly AuthorizationPolicy[],
  rootNamespace: string,
  peer: TrustDomain,
): (namespace: string) => boolean {
  const guarded = new Set(policies.filter((policy) => deniesPeer(policy, peer)).map(({ namespace }) => namespace));
  return (namespace) => guarded.has(rootNamespace) || guarded.has(namespace);
}

interface Identities {
  readonly principals: readonly string[];
  readonly namespaces: readonly string[];
  readonly serviceAccounts: readonly string[];
}

function policyFinding(
  policy: AuthorizationPolicy,
  identities: readonly Identities[],
  own: TrustDomain,
  { says, field }: { readonly says: string; readonly field: 'principals' | 'notPrincipals' },
): readonly Found[] {
  if (identities.length === 0) return [];
  const { namespace, name } = policy;
  const instead = [...new Set(identities.flatMap((each) => ownPrincipals(namespace, each, own)))];
  const message = `${says}; write ${field}: [${instead.join(', ')}]`;
  return [{ kind: 'AuthorizationPolicy', namespace, name, message }];
}

/** The same identities, of our trust domain alone. */
function ownPrincipals(
  policyNamespace: string,
  { principals, namespaces, serviceAccounts }: Identities,
  own: TrustDomain,
): readonly string[] {
  return [
    ...principals.map((pattern) =>
      pattern.startsWith('*') ? `${own}/${pattern.replace(/^\*\/?/, '') || '*'}` : pattern,
    ),
    ...namespaces.map((each) => `${own}/ns/${each}${each.endsWith('*') ? '' : '/*'}`),
    ...serviceAccounts.map((each) => {
      const [namespace, account] = each.includes('/') ? each.split('/') : [policyNamespace, each];
      return `${own}/ns/${namespace}/sa/${account}`;
    }),
  ];
}

function exempted({ notPrincipals, notNamespaces, notServiceAccounts }: PolicySource): Identities {
  return { principals: notPrincipals, namespaces: notNamespaces, serviceAccounts: notServiceAccounts };
}
