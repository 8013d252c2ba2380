// Which ClusterSPIFFEIDs gain or lose a peer in federatesWith? spire-controller-manager copies the list to the entries.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { indexClusterSpiffeIds } from './cluster-spiffeid-index.ts';
import { LinkChanges, type LinkChange } from './link-changes.ts';
import type { ClusterSpiffeId } from './ports.ts';
import type { Peer } from './relationship.ts';

export interface ClusterSpiffeIdChange extends LinkChange {
  readonly object: ClusterSpiffeId;
}

export interface ClusterSpiffeIdLinkInput {
  /** Those that the controller-manager beside our SPIRE looks at. */
  readonly clusterSpiffeIds: readonly ClusterSpiffeId[];
  /** Peers whose bundle SPIRE holds by then: SPIRE refuses an entry that names an unknown one, and its pod stays without identity. */
  readonly held: readonly Peer[];
  /** Peers in force, held or not: where a broker added one of them and it is no longer chosen, it is taken away again. */
  readonly inForce: readonly Peer[];
  /** Trust domains whose bundle goes: they are taken away whoever wrote them. */
  readonly leaving: ReadonlySet<TrustDomain>;
}

/** In the order of the objects. */
export function planClusterSpiffeIdLinks(input: ClusterSpiffeIdLinkInput): ClusterSpiffeIdChange[] {
  const { clusterSpiffeIds, held, inForce, leaving } = input;
  const index = indexClusterSpiffeIds(clusterSpiffeIds);
  const changes = new LinkChanges<ClusterSpiffeId>();
  const chosenBy = ({ clusterSpiffeIds: selector }: Peer): ReadonlySet<ClusterSpiffeId> =>
    selector === undefined ? new Set() : index.chosenBy(selector);

  for (const name of leaving) {
    for (const object of index.naming(name)) changes.remove(object, name);
  }
  for (const peer of inForce) {
    const chosen = chosenBy(peer);
    for (const object of index.addedTo(peer.trustDomain)) {
      if (!chosen.has(object)) changes.remove(object, peer.trustDomain);
    }
  }
  for (const peer of held) {
    const naming = index.naming(peer.trustDomain);
    for (const object of chosenBy(peer)) if (!naming.has(object)) changes.add(object, peer.trustDomain);
  }
  return changes.in(clusterSpiffeIds).map(([object, change]) => ({ object, ...change }));
}

/**
 * What to write: names stay where they are and new ones follow, sorted; `excluded` trust domains stay as they are.
 * Recorded as added are those alone that a broker added and that are still there.
 */
export function clusterSpiffeIdAfter(
  { object, add, remove }: ClusterSpiffeIdChange,
  excluded: ReadonlySet<TrustDomain>,
): Pick<ClusterSpiffeId, 'federatesWith' | 'addedByBroker'> {
  const added: readonly string[] = add.filter((name) => !excluded.has(name)).sort();
  const removed: ReadonlySet<string> = new Set(remove.filter((name) => !excluded.has(name)));
  const federatesWith = [...object.federatesWith.filter((name) => !removed.has(name)), ...added];
  const addedByBroker = federatesWith.filter((name) => added.includes(name) || object.addedByBroker.includes(name));
  return { federatesWith, addedByBroker: [...new Set(addedByBroker)].sort() };
}
