// What is declared to spire-controller-manager, and how does it run? Each answer of a watch replaces one fact.
import type { Clock } from '../federation/clock.ts';
import { known, unreadable, type Fact } from '../federation/facts.ts';
import type {
  ClusterFederatedTrustDomains,
  ClusterSpiffeIds,
  ControllerManagerSettings,
  Report,
} from '../federation/ports.ts';
import type { ClusterWriters } from './apply-cluster.ts';
import type { FactBoard } from './fact-board.ts';

/** The cluster that our SPIRE serves. */
export interface ClusterParts {
  readonly clusterSpiffeIds: ClusterSpiffeIds;
  readonly federatedTrustDomains: ClusterFederatedTrustDomains;
  readonly controllerManager: ControllerManagerSettings;
}

const NOT_READ = { code: 'NotReadYet', message: 'not read yet' };

export class ClusterGatherer {
  readonly #parts: ClusterParts;
  readonly #board: FactBoard;
  readonly #clock: Clock;

  /** Until each was read once nothing is known of it, which is not the same as that it is not there. */
  constructor(parts: ClusterParts, board: FactBoard, clock: Clock) {
    this.#parts = parts;
    this.#board = board;
    this.#clock = clock;
    const notRead = unreadable(NOT_READ, clock.now());
    board.replaceOptional('clusterSpiffeIds', notRead);
    board.replaceOptional('federatedTrustDomains', notRead);
    board.replaceOptional('controllerManager', notRead);
  }

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clusterSpiffeIds, federatedTrustDomains, controllerManager } = this.#parts;
    await Promise.all([
      clusterSpiffeIds.watch(
        this.#reports((fact) => {
          this.#board.replaceOptional('clusterSpiffeIds', fact);
        }),
        signal,
      ),
      federatedTrustDomains.watch(
        this.#reports((fact) => {
          this.#board.replaceOptional('federatedTrustDomains', fact);
        }),
        signal,
      ),
      controllerManager.watch(
        this.#reports((fact) => {
          this.#board.replaceOptional('controllerManager', fact);
        }),
        signal,
      ),
    ]);
  }

  /** For the steps of a pass: what was written is known before the watch tells it. */
  get writers(): ClusterWriters {
    const { clusterSpiffeIds, federatedTrustDomains } = this.#parts;
    return {
      clusterSpiffeIds,
      federatedTrustDomains,
      noteClusterSpiffeId: (object) => {
        const fact = this.#board.snapshot().clusterSpiffeIds;
        if (fact?.state !== 'Known') return;
        const value = fact.value.map((each) => (each.uid === object.uid ? object : each));
        this.#board.replaceOptional('clusterSpiffeIds', known(value, this.#clock.now()));
      },
      noteFederatedTrustDomain: (name, object) => {
        const fact = this.#board.snapshot().federatedTrustDomains;
        if (fact?.state !== 'Known') return;
        const others = fact.value.filter((each) => each.name !== name);
        const value = object === undefined ? others : [...others, object];
        this.#board.replaceOptional('federatedTrustDomains', known(value, this.#clock.now()));
      },
    };
  }

  #reports<T>(replace: (fact: Fact<T> | undefined) => void): Report<T> {
    return (found) => {
      const at = this.#clock.now();
      if (found === undefined) replace(undefined);
      else replace(found instanceof Error ? unreadable(found, at) : known(found, at));
    };
  }
}
