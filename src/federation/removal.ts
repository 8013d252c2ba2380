// What takes the trust in a peer away, and what must have happened elsewhere before its bundle may go?
import type { Bundle } from '../bundle/bundle.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { indexClusterSpiffeIds } from './cluster-spiffeid-index.ts';
import { besideUs, mayEditEntry, renderedClusterSpiffeIds } from './controller-manager.ts';
import { undelegationSteps, type DelegatedState, type DelegationStep } from './delegation.ts';
import { indexEntries } from './entry-index.ts';
import type { Facts } from './facts.ts';
import type { ManagedPeers, RegistrationEntry } from './ports.ts';

export interface DeleteBundleStep {
  readonly kind: 'DeleteBundle';
  readonly trustDomain: TrustDomain;
  readonly mode: 'Restrict' | 'Dissociate';
}

/** A trust domain that goes, and what its bundle still waits for. */
export interface WaitingRemoval {
  readonly trustDomain: TrustDomain;
  readonly reason: 'KubernetesUnreadable' | 'ClusterSpiffeIdsNameIt' | 'EntriesNameIt';
  readonly message: string;
}

/** What SPIRE holds, read in full. */
export interface SpireState extends DelegatedState {
  readonly stored: ReadonlyMap<TrustDomain, Bundle>;
  readonly entries: readonly RegistrationEntry[];
  readonly managed: ManagedPeers;
}

/**
 * Entries of spire-controller-manager lose the name by their ClusterSPIFFEIDs, within its interval (10 s by default).
 * Until then SPIRE would refuse, and pods that come later would get no identity.
 */
export function waitingRemoval(trustDomain: TrustDomain, facts: Facts, spire: SpireState): WaitingRemoval | undefined {
  const unreadable = [facts.controllerManager, facts.clusterSpiffeIds, facts.federatedTrustDomains].find(
    (fact) => fact?.state === 'Unreadable',
  );
  if (unreadable?.state === 'Unreadable') {
    const message = `it cannot be seen what spire-controller-manager does with it: ${unreadable.message}`;
    return { trustDomain, reason: 'KubernetesUnreadable', message };
  }
  const beside = besideUs(facts.controllerManager);
  const objects = indexClusterSpiffeIds(renderedClusterSpiffeIds(facts, beside)).naming(trustDomain).size;
  if (objects > 0) {
    const message = `${objects} ClusterSPIFFEIDs name it in federatesWith and lose it first`;
    return { trustDomain, reason: 'ClusterSpiffeIdsNameIt', message };
  }
  const naming = [...indexEntries(spire.entries).naming(trustDomain)].filter((entry) => !mayEditEntry(beside, entry));
  if (naming.length === 0) return undefined;
  const [first] = naming;
  const message = `${naming.length} entries of spire-controller-manager still name it (${first?.spiffeId ?? ''}); it takes the name away within its gcInterval, unless a ClusterStaticEntry or ClusterSPIFFEID that the broker does not edit has it in federatesWith`;
  return { trustDomain, reason: 'EntriesNameIt', message };
}

export function removalSteps(
  trustDomain: TrustDomain,
  mode: DeleteBundleStep['mode'],
  facts: Facts,
  spire: SpireState,
): (DelegationStep | DeleteBundleStep)[] {
  const undelegation =
    spire.managed.get(trustDomain) === 'Delegate' ? undelegationSteps(trustDomain, facts, spire) : [];
  return spire.stored.has(trustDomain) ? [...undelegation, { kind: 'DeleteBundle', trustDomain, mode }] : undelegation;
}
