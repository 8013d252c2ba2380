// What may be done beside spire-controller-manager? What it does not find declared it deletes or reverts within seconds.
import { remembered } from '../bundle/remembered.ts';
import type { Fact, Facts } from './facts.ts';
import type { ClusterSpiffeId, ControllerManager, RegistrationEntry } from './ports.ts';

/** Who looks after SPIRE's entries and relationships beside us; `Unknown` is treated like the one that looks after all. */
export type Beside =
  | { readonly kind: 'Nobody' }
  | { readonly kind: 'Unknown' }
  | { readonly kind: 'Found'; readonly found: ControllerManager };

export function besideUs(fact: Fact<ControllerManager> | undefined): Beside {
  if (fact === undefined) return { kind: 'Nobody' };
  return fact.state === 'Known' ? { kind: 'Found', found: fact.value } : { kind: 'Unknown' };
}

/** Whether the entry's `federates_with` may be written: not where the controller-manager would revert it. */
export function mayEditEntry(beside: Beside, { id }: Pick<RegistrationEntry, 'id'>): boolean {
  if (beside.kind === 'Nobody') return true;
  if (beside.kind === 'Unknown' || ownsAllEntries(beside)) return false;
  const { entryIdPrefix, reconciles } = beside.found;
  const makesEntries = reconciles.clusterSpiffeIds || reconciles.clusterStaticEntries;
  return !makesEntries || entryIdPrefix === undefined || !id.startsWith(entryIdPrefix);
}

/** Without a prefix it deletes every entry that it did not make, also the one that says which peers are ours. */
export function ownsAllEntries(beside: Beside): boolean {
  if (beside.kind !== 'Found') return false;
  const { entryIdPrefix, reconciles } = beside.found;
  return entryIdPrefix === undefined && (reconciles.clusterSpiffeIds || reconciles.clusterStaticEntries);
}

/** Whether the controller-manager looks at an object of this class. */
export function looksAtClass(
  { className: own, watchClassless }: ControllerManager,
  className: string | undefined,
): boolean {
  return className === own || (className === undefined && watchClassless);
}

/** How SPIRE is made to fetch a bundle itself: by its API, or by the controller-manager, which deletes all else. */
export function relationshipsBy(beside: Beside): 'Api' | 'ControllerManager' | 'Unknown' {
  if (beside.kind === 'Found')
    return beside.found.reconciles.clusterFederatedTrustDomains ? 'ControllerManager' : 'Api';
  return beside.kind === 'Nobody' ? 'Api' : 'Unknown';
}

interface Classed {
  readonly className: string | undefined;
}

/** The same list for the same facts, so that what is indexed of it need not be indexed again. */
const handledBy = remembered((found: ControllerManager) =>
  remembered((all: readonly Classed[]): readonly object[] =>
    all.filter(({ className }) => looksAtClass(found, className)),
  ),
);

/** The objects that the controller-manager looks at. None while its class is not known: others serve another SPIRE. */
export function handledOf<T extends Classed>(fact: Fact<readonly T[]> | undefined, beside: Beside): readonly T[] {
  if (fact?.state !== 'Known' || beside.kind === 'Unknown') return [];
  if (beside.kind === 'Nobody') return fact.value;
  return handledBy(beside.found)(fact.value) as readonly T[];
}

/** The ClusterSPIFFEIDs that entries are made of. */
export function renderedClusterSpiffeIds(
  { clusterSpiffeIds }: Pick<Facts, 'clusterSpiffeIds'>,
  beside: Beside,
): readonly ClusterSpiffeId[] {
  const renders = beside.kind !== 'Found' || beside.found.reconciles.clusterSpiffeIds;
  return renders ? handledOf(clusterSpiffeIds, beside) : [];
}
