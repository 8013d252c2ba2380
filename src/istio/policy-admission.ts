// Does an AuthorizationPolicy speak of a peer's identities without naming the peer? Namespaces and service accounts are
// matched in every trust domain. (security.istio.io/v1 of Istio 1.31: `source`, and `when` about a source)
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { AuthorizationPolicy, PolicyRule, PolicySource } from '../federation/mesh-survey.ts';

/**
 * How patterns fit the identities of a peer: not one of them; some or all, by the peer's name; some, without it. `Open`:
 * nothing is asked of the identity.
 */
type Fit = 'None' | 'Named' | 'Nameless' | 'Open';

/** What of the rule lets the peer's identities in because they are named like others. */
export function namelessSources({ sources, conditions }: PolicyRule, peer: TrustDomain): readonly PolicySource[] {
  const isNameless = (source: PolicySource) => fitOfSource(source, peer) === 'Nameless';
  const alternatives = sources.length === 0 ? [conditions] : sources.map((source) => [source, ...conditions]);
  return alternatives
    .filter((together) => all(together.map((each) => fitOfSource(each, peer))) === 'Nameless')
    .flatMap((together) => together.filter(isNameless));
}

/** What of a rule that denies lets the peer's identities go because they are named like others. */
export function namelessExemptions({ sources, conditions }: PolicyRule, peer: TrustDomain): readonly PolicySource[] {
  return [...sources, ...conditions].filter(
    (source) =>
      fitOfSource(source, peer) !== 'None' &&
      (source.notNamespaces.length + source.notServiceAccounts.length > 0 ||
        source.notPrincipals.some((pattern) => fitOfPrincipal(pattern, peer) === 'Nameless')),
  );
}

/** It denies every identity of the peer but those that it names one by one. */
export function deniesPeer({ action, isSelective, rules }: AuthorizationPolicy, peer: TrustDomain): boolean {
  if (action !== 'DENY' || isSelective) return false;
  return rules.some(
    ({ sources, conditions, isAboutIdentitiesAlone }) =>
      isAboutIdentitiesAlone && conditions.length === 0 && sources.some((source) => isGuard(source, peer)),
  );
}

function isGuard({ notPrincipals, notTrustDomains, ...others }: PolicySource, peer: TrustDomain): boolean {
  const asksNothingElse = Object.values(others).every((patterns) => patterns.length === 0);
  const exempts = (pattern: string) => coversPeer(pattern, peer) || fitOfPrincipal(pattern, peer) === 'Nameless';
  return (
    asksNothingElse &&
    notPrincipals.length + notTrustDomains.length > 0 &&
    !notPrincipals.some(exempts) &&
    !notTrustDomains.some((pattern) => fitOfTrustDomain(pattern, peer) !== 'None')
  );
}

function fitOfSource(source: PolicySource, peer: TrustDomain): Fit {
  const { principals, namespaces, serviceAccounts, trustDomains, notPrincipals, notTrustDomains } = source;
  if (notPrincipals.some((pattern) => coversPeer(pattern, peer))) return 'None';
  if (notTrustDomains.some((pattern) => fitOfTrustDomain(pattern, peer) !== 'None')) return 'None';
  return all([
    any(principals.map((pattern) => fitOfPrincipal(pattern, peer))),
    any(trustDomains.map((pattern) => fitOfTrustDomain(pattern, peer))),
    namespaces.length + serviceAccounts.length > 0 ? 'Nameless' : 'Open',
  ]);
}

/** What holds when all of them must. */
function all(fits: readonly Fit[]): Fit {
  const strongest = (['None', 'Named', 'Nameless'] as const).find((fit) => fits.includes(fit));
  return strongest ?? 'Open';
}

/** What holds when one of them must; without any, nothing is asked. */
function any(fits: readonly Fit[]): Fit {
  if (fits.length === 0) return 'Open';
  return (['Nameless', 'Named'] as const).find((fit) => fits.includes(fit)) ?? 'None';
}

/** `<trust domain>/ns/<namespace>/sa/<account>`, with `*` before or behind it, or alone. */
function fitOfPrincipal(pattern: string, peer: TrustDomain): Fit {
  // A peer chooses its paths, and so can end them with whatever is written here.
  if (pattern.startsWith('*')) return 'Nameless';
  const [head = '', ...path] = pattern.split('/');
  return path.length > 0 || pattern.endsWith('*') ? fitOfTrustDomain(head, peer) : 'None';
}

function fitOfTrustDomain(pattern: string, peer: TrustDomain): Fit {
  if (pattern === peer) return 'Named';
  if (pattern.startsWith('*') && peer.endsWith(pattern.slice(1))) return 'Nameless';
  if (pattern.endsWith('*') && peer.startsWith(pattern.slice(0, -1))) return 'Nameless';
  return 'None';
}

function coversPeer(pattern: string, peer: TrustDomain): boolean {
  return pattern.endsWith('*') && `${peer}/`.startsWith(pattern.slice(0, -1));
}
