// Which peers are being asked? One loop for each active peer that the broker fetches itself, restarted when its
// declaration changes.
import { isDeepStrictEqual } from 'node:util';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { ParsedBundleDocument } from '../bundle/bundle-document.ts';
import type { BundleError } from '../bundle/bundle-error.ts';
import type { Peer } from '../federation/relationship.ts';
import type { PassReport } from './pass.ts';
import { PeerGatherer, type PeerGathererParts } from './gather-peer.ts';

interface RunningLoop {
  readonly peer: Peer;
  readonly gatherer: PeerGatherer;
  readonly ended: Promise<void>;
}

export class PeerGatherers {
  readonly #parts: Omit<PeerGathererParts, 'isApplied'>;
  readonly #loops = new Map<TrustDomain, RunningLoop>();
  readonly #applied = new Map<TrustDomain, ParsedBundleDocument | BundleError>();

  constructor(parts: Omit<PeerGathererParts, 'isApplied'>) {
    this.#parts = parts;
  }

  /** Remembers whose newest document SPIRE holds after a pass: what was applied, never what was merely seen. */
  noteApplied({ facts, plan, outcomes }: PassReport): void {
    const failed = new Set(outcomes.flatMap(({ error, trustDomains }) => (error === undefined ? [] : trustDomains)));
    const stored = new Set(plan.steps.flatMap((step) => (step.kind === 'StoreBundle' ? [step.trustDomain] : [])));
    for (const { peer, verdict } of plan.peers) {
      const { trustDomain } = peer;
      const content = facts.fetched.get(trustDomain)?.document?.content;
      const holds = verdict?.verdict === 'unchanged' || (stored.has(trustDomain) && !failed.has(trustDomain));
      if (content === undefined || !holds || this.#applied.get(trustDomain) === content) continue;
      this.#applied.set(trustDomain, content);
      this.#loops.get(trustDomain)?.gatherer.applied();
    }
  }

  /** Starts, restarts and ends loops so that they are those of the declared peers. */
  follow(peers: readonly Peer[]): void {
    const wanted = new Map(
      peers.filter((peer) => peer.mode === 'Own' && peer.suspend === 'Active').map((peer) => [peer.trustDomain, peer]),
    );
    for (const [trustDomain, loop] of this.#loops) {
      const peer = wanted.get(trustDomain);
      if (peer !== undefined && isDeepStrictEqual(peer, loop.peer)) continue;
      loop.gatherer.stop();
      this.#loops.delete(trustDomain);
      this.#parts.board.noteFetched(trustDomain, undefined);
    }
    for (const [trustDomain, peer] of wanted) {
      if (!this.#loops.has(trustDomain)) this.#loops.set(trustDomain, this.#start(peer));
    }
  }

  refresh(trustDomain: TrustDomain): void {
    this.#loops.get(trustDomain)?.gatherer.refresh();
  }

  nextFetchAt(trustDomain: TrustDomain): Date | undefined {
    return this.#loops.get(trustDomain)?.gatherer.nextFetchAt;
  }

  async stop(): Promise<void> {
    for (const { gatherer } of this.#loops.values()) gatherer.stop();
    await Promise.all([...this.#loops.values()].map(({ ended }) => ended));
  }

  #start(peer: Peer): RunningLoop {
    const isApplied: PeerGathererParts['isApplied'] = (content) => this.#applied.get(peer.trustDomain) === content;
    const gatherer = new PeerGatherer(peer, { ...this.#parts, isApplied });
    return { peer, gatherer, ended: gatherer.run() };
  }
}
