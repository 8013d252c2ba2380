// What would a pass change now? Gathers every fact once and plans; writes nothing anywhere.
import type { Facts } from '../federation/facts.ts';
import type { Report } from '../federation/ports.ts';
import { systemClock } from '../federation/clock.ts';
import { planFederation, type FederationPlan } from '../federation/plan.ts';
import type { BrokerParts } from './broker.ts';
import { Exclusive } from './exclusive.ts';
import { FactBoard } from './fact-board.ts';
import { watchCluster, type ClusterParts } from './gather-cluster.ts';
import { PeerGatherer } from './gather-peer.ts';
import { SpireGatherer } from './gather-spire.ts';
import { known, unreadable } from '../federation/facts.ts';
import { codedError } from './coded.ts';

export interface PlannedOnce {
  readonly facts: Facts;
  readonly plan: FederationPlan;
}

type PlanParts = Pick<BrokerParts, 'spire' | 'source' | 'peers' | 'readBootstrap' | 'settings' | 'cluster'>;

/** How many peers are fetched from at once. */
const FETCHES_AT_ONCE = 16;

/**
 * Whether SPIRE's configuration file polls a peer is not asked: the only question SPIRE has for it makes it fetch and
 * write. The plan is made as if there were no such poller.
 */
export async function planOnce(parts: PlanParts, signal: AbortSignal): Promise<PlannedOnce> {
  const board = new FactBoard(systemClock, { changed: () => undefined, bundleReplaced: () => undefined });
  await new SpireGatherer(parts.spire, board, systemClock, new Exclusive()).readAll(signal);
  await readDeclared(parts, board, signal);
  if (parts.cluster !== undefined) await readCluster(parts.cluster, board, signal);

  const declared = board.fact('declared');
  const peers = declared.state === 'Known' ? declared.value.peers : [];
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
  const { clusterSpiffeIds, federatedTrustDomains, controllerManager } = parts;
  await watchCluster(
    {
      clusterSpiffeIds: onlyFirst(clusterSpiffeIds),
      federatedTrustDomains: onlyFirst(federatedTrustDomains),
      controllerManager: onlyFirst(controllerManager),
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

/** The first report of the peer source. */
async function readDeclared({ peers }: PlanParts, board: FactBoard, signal: AbortSignal): Promise<void> {
  const first = new AbortController();
  const at = systemClock.now();
  await peers.watch(
    (declared) => {
      const fact = declared instanceof Error ? unreadable(codedError(declared), at) : known(declared, at);
      board.replace('declared', fact, () => false);
      first.abort();
    },
    AbortSignal.any([first.signal, signal]),
  );
}
