// Do the workloads that were chosen meet this peer, and if not, who or what keeps them from it?
import { indexClusterSpiffeIds } from './cluster-spiffeid-index.ts';
import { besideUs, mayEditEntry, ownsAllEntries, renderedClusterSpiffeIds } from './controller-manager.ts';
import type { ConditionInput } from './conditions.ts';
import { indexEntries } from './entry-index.ts';
import type { Facts } from './facts.ts';
import { failureOf, no, unknown, yes, type Judgement } from './judgement.ts';
import type { LabelSelector, Peer } from './relationship.ts';

const OWNS_ENTRIES =
  'spire-controller-manager runs without entryIDPrefix: it deletes or reverts every entry that is not its own, also the broker’s record of its peers; so no entry is changed and no peer taken up or given up, only bundles that SPIRE holds are kept new. Set entryIDPrefix there';

export function judgeEntryLinks({ plan: { peer }, facts, outcomes, entriesFederated }: ConditionInput): Judgement {
  if (facts.entries.state === 'Unreadable') return unknown(facts.entries.reason, facts.entries.message);
  if (ownsAllEntries(besideUs(facts.controllerManager))) return no('ControllerManagerOwnsEntries', OWNS_ENTRIES);
  const obstacle =
    failureOf(outcomes, ['UpdateClusterSpiffeIds', 'UpdateEntries']) ??
    (peer.suspend === 'Active'
      ? (clusterSpiffeIdObstacle(peer, facts, entriesFederated) ?? entryObstacle(peer, facts))
      : undefined);
  if (obstacle !== undefined) return obstacle;
  const { entrySelectors, clusterSpiffeIds } = peer;
  if (entrySelectors.length === 0 && clusterSpiffeIds === undefined) {
    return yes('NotAskedFor', `no entry is selected; ${entriesFederated} name this peer`);
  }
  const objects =
    clusterSpiffeIds === undefined ? '' : `${rendered(facts).naming(peer.trustDomain).size} ClusterSPIFFEIDs and `;
  return yes('Federated', `${objects}${entriesFederated} entries name this peer`);
}

/** Why no ClusterSPIFFEID can be made to name the peer. */
function clusterSpiffeIdObstacle(
  { clusterSpiffeIds: selector }: Peer,
  facts: Facts,
  entriesFederated: number,
): Judgement | undefined {
  if (selector === undefined) return undefined;
  const { clusterSpiffeIds, controllerManager } = facts;
  if (clusterSpiffeIds === undefined) {
    return no(
      'NoClusterSpiffeIds',
      'federatesWith.clusterSPIFFEIDs is given, but the API server serves no ClusterSPIFFEIDs; install spire-controller-manager, or choose federatesWith.entries',
    );
  }
  if (clusterSpiffeIds.state === 'Unreadable') {
    const message = `${entriesFederated} entries name this peer and stay as they are; whether all that should do cannot be seen: ${clusterSpiffeIds.message}`;
    return unknown(clusterSpiffeIds.reason, message);
  }
  if (controllerManager?.state === 'Unreadable') {
    const message = `no ClusterSPIFFEID is changed before it is known which ones serve our SPIRE: ${controllerManager.message}`;
    return unknown(controllerManager.reason, message);
  }
  if (controllerManager?.value.reconciles.clusterSpiffeIds === false) {
    return no(
      'ClusterSpiffeIdsNotReconciled',
      'spire-controller-manager is configured not to reconcile ClusterSPIFFEIDs; choose federatesWith.entries',
    );
  }
  return otherClassObstacle(selector, facts);
}

function otherClassObstacle(selector: LabelSelector, facts: Facts): Judgement | undefined {
  const { clusterSpiffeIds, controllerManager } = facts;
  if (clusterSpiffeIds?.state !== 'Known' || controllerManager?.state !== 'Known') return undefined;
  if (rendered(facts).chosenBy(selector).size > 0) return undefined;
  const [first, ...more] = indexClusterSpiffeIds(clusterSpiffeIds.value).chosenBy(selector);
  if (first === undefined) return undefined;
  const { className, watchClassless } = controllerManager.value;
  const looked = `${className === undefined ? 'no className' : `className "${className}"`}${watchClassless ? ' or none' : ''}`;
  return no(
    'ClassNameDiffers',
    `${more.length + 1} ClusterSPIFFEIDs are chosen ("${first.name}" first), but the spire-controller-manager of our SPIRE looks only at those with ${looked}`,
  );
}

/** Why chosen entries do not name the peer although SPIRE would let us write that. */
function entryObstacle(peer: Peer, facts: Facts): Judgement | undefined {
  const { controllerManager, entries } = facts;
  if (controllerManager === undefined || entries.state !== 'Known' || peer.entrySelectors.length === 0)
    return undefined;
  const beside = besideUs(controllerManager);
  const index = indexEntries(entries.value);
  const naming = index.naming(peer.trustDomain);
  const left = [...index.chosenBy(peer)].filter((entry) => !naming.has(entry) && !mayEditEntry(beside, entry));
  if (left.length === 0) return undefined;
  if (controllerManager.state === 'Unreadable') {
    const message = `${left.length} chosen entries are left alone because spire-controller-manager may own them: ${controllerManager.message}`;
    return unknown(controllerManager.reason, message);
  }
  return no(
    'EntriesOfControllerManager',
    `${left.length} chosen entries are left alone: their ids begin with "${controllerManager.value.entryIdPrefix ?? ''}", and spire-controller-manager would revert them; choose their ClusterSPIFFEIDs by federatesWith.clusterSPIFFEIDs`,
  );
}

function rendered(facts: Facts) {
  return indexClusterSpiffeIds(renderedClusterSpiffeIds(facts, besideUs(facts.controllerManager)));
}
