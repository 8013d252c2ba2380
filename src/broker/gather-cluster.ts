// What is declared to spire-controller-manager, and how does it run? Each answer of a watch replaces one fact.
import type { Clock } from '../federation/clock.ts';
import { known, unreadable, type Fact } from '../federation/facts.ts';
import type {
  ClusterFederatedTrustDomain,
  ClusterFederatedTrustDomains,
  ClusterSpiffeId,
  ClusterSpiffeIds,
  ControllerManager,
  ControllerManagerSettings,
  ControllerManagerSite,
  ControllerManagerSites,
  Report,
} from '../federation/ports.ts';
import type { ClusterWriters } from './apply-cluster.ts';
import type { FactBoard } from './fact-board.ts';

/** The cluster that our SPIRE serves. */
export interface ClusterParts {
  readonly clusterSpiffeIds: ClusterSpiffeIds;
  readonly federatedTrustDomains: ClusterFederatedTrustDomains;
  readonly controllerManager: ControllerManagerSettings;
  readonly controllerManagerSite: ControllerManagerSites;
}

/** What of it is read. */
type Watched = { readonly [K in keyof ClusterParts]: Pick<ClusterParts[K], 'watch'> };

const NOT_READ = { code: 'NotReadYet', message: 'not read yet' };

/**
 * Until the signal aborts. Until each was read once nothing is known of it, which is not the same as that it is not
 * there: this is on the board when the call returns.
 */
export async function watchCluster(
  { clusterSpiffeIds, federatedTrustDomains, controllerManager, controllerManagerSite }: Watched,
  board: FactBoard,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const reporting = <T>(replace: (fact: Fact<T> | undefined) => void): Report<T> => {
    replace(unreadable(NOT_READ, clock.now()));
    return (found) => {
      if (found === undefined) replace(undefined);
      else replace(found instanceof Error ? unreadable(found, clock.now()) : known(found, clock.now()));
    };
  };
  const reports = {
    clusterSpiffeIds: reporting<readonly ClusterSpiffeId[]>((fact) => {
      board.replaceOptional('clusterSpiffeIds', fact);
    }),
    federatedTrustDomains: reporting<readonly ClusterFederatedTrustDomain[]>((fact) => {
      board.replaceOptional('federatedTrustDomains', fact);
    }),
    controllerManager: reporting<ControllerManager>((fact) => {
      board.replaceOptional('controllerManager', fact);
    }),
    controllerManagerSite: reporting<ControllerManagerSite>((fact) => {
      board.replaceOptional('controllerManagerSite', fact);
    }),
  };
  await Promise.all([
    clusterSpiffeIds.watch(reports.clusterSpiffeIds, signal),
    federatedTrustDomains.watch(reports.federatedTrustDomains, signal),
    controllerManager.watch(reports.controllerManager, signal),
    controllerManagerSite.watch(reports.controllerManagerSite, signal),
  ]);
}

/** For the steps of a pass: what was written is known before the watch tells it. */
export function clusterWriters(
  { clusterSpiffeIds, federatedTrustDomains }: ClusterParts,
  board: FactBoard,
  clock: Clock,
): ClusterWriters {
  return {
    clusterSpiffeIds,
    federatedTrustDomains,
    noteClusterSpiffeId(object) {
      const fact = board.snapshot().clusterSpiffeIds;
      if (fact?.state !== 'Known') return;
      const value = fact.value.map((each) => (each.uid === object.uid ? object : each));
      board.replaceOptional('clusterSpiffeIds', known(value, clock.now()));
    },
    noteFederatedTrustDomain(name, object) {
      const fact = board.snapshot().federatedTrustDomains;
      if (fact?.state !== 'Known') return;
      const others = fact.value.filter((each) => each.name !== name);
      const value = object === undefined ? others : [...others, object].sort((a, b) => (a.name < b.name ? -1 : 1));
      board.replaceOptional('federatedTrustDomains', known(value, clock.now()));
    },
  };
}
