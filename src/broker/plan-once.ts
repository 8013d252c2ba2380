// What would a pass change now? Gathers every fact once and plans; writes nothing anywhere.
import { known, type Declarations, type Facts } from '../federation/facts.ts';
import type { Report } from '../federation/ports.ts';
import { systemClock } from '../federation/clock.ts';
import { planFederation, type FederationPlan } from '../federation/plan.ts';
import type { BrokerParts } from './broker-parts.ts';
import { Exclusive } from './exclusive.ts';
import { FactBoard } from './fact-board.ts';
import { gatherBootstraps } from './gather-bootstraps.ts';
import { watchCluster, type ClusterParts } from './gather-cluster.ts';
import { PeerGatherer } from './gather-peer.ts';
import { SpireGatherer } from './gather-spire.ts';

export interface PlannedOnce {
  readonly facts: Facts;
  readonly plan: FederationPlan;
}

interface PlanParts extends Pick<BrokerParts, 'spire' | 'source' | 'readBootstrap' | 'settings' | 'cluster'> {
  readonly declarations: Declarations;
}

/** How many peers are fetched from at once. */
const FETCHES_AT_ONCE = 16;

/**
 * Whether SPIRE's configuration file polls a peer is not asked: the only question SPIRE has for it makes it fetch and
 * write. The plan is made as if there were no such poller.
 */
export async function planOnce(parts: PlanParts, signal: AbortSignal): Promise<PlannedOnce> {
  const board = new FactBoard(systemClock, { changed: () => undefined, bundleReplaced: () => undefined });
  await new SpireGatherer(parts.spire, board, systemClock, new Exclusive()).readAll(signal);
  board.replace('declared', known(parts.declarations, systemClock.now()), () => false);
  const { peers } = parts.declarations;
  await gatherBootstraps(peers, { readBootstrap: parts.readBootstrap, board, clock: systemClock });
  if (parts.cluster !== undefined) await readCluster(parts.cluster, board, signal);

  const waiting = [...peers];
  const fetchNext = async (): Promise<void> => {
    for (let peer = waiting.shift(); peer !== undefined && !signal.aborted; peer = waiting.shift()) {
      if (peer.mode === 'Delegate' || peer.suspend !== 'Active') continue;
      board.noteStaticPoller(peer.trustDomain, 'Absent');
      const gatherer = new PeerGatherer(peer, {
        board,
        source: parts.source,
        clock: systemClock,
        limits: parts.settings.refresh,
        longPollSeconds: undefined,
        documentLimits: parts.settings.documentLimits,
        random: Math.random,
        readBootstrap: parts.readBootstrap,
        passed: () => Promise.resolve(),
        isApplied: () => false,
        onFetch: () => undefined,
      });
      await gatherer.fetchOnce(signal);
    }
  };
  await Promise.all(Array.from({ length: FETCHES_AT_ONCE }, fetchNext));
  const facts = board.snapshot();
  return { facts, plan: planFederation(facts, parts.settings.plan) };
}

/** The first answer to each question. */
async function readCluster(parts: ClusterParts, board: FactBoard, signal: AbortSignal): Promise<void> {
  const { clusterSpiffeIds, federatedTrustDomains, controllerManager, controllerManagerSite } = parts;
  await watchCluster(
    {
      clusterSpiffeIds: onlyFirst(clusterSpiffeIds),
      federatedTrustDomains: onlyFirst(federatedTrustDomains),
      controllerManager: onlyFirst(controllerManager),
      controllerManagerSite: onlyFirst(controllerManagerSite),
    },
    board,
    systemClock,
    signal,
  );
}

interface Watched<T> {
  watch(report: Report<T>, signal: AbortSignal): Promise<void>;
}

function onlyFirst<T>(source: Watched<T>): Watched<T> {
  return {
    watch: (report, signal) => {
      const first = new AbortController();
      const reportFirst: Report<T> = (found) => {
        report(found);
        first.abort();
      };
      return source.watch(reportFirst, AbortSignal.any([first.signal, signal]));
    },
  };
}
