// Which peers are being asked? One loop for each active peer that the broker fetches itself, restarted when its
// declaration changes.
import { isDeepStrictEqual } from 'node:util';
import type { Bundle } from '../bundle/bundle.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { ParsedBundleDocument } from '../bundle/bundle-document.ts';
import type { BundleError } from '../bundle/bundle-error.ts';
import type { Peer } from '../federation/relationship.ts';
import type { MeshReport } from './mesh-keeper.ts';
import type { PassReport } from './pass.ts';
import { PeerGatherer, type PeerGathererParts } from './gather-peer.ts';

interface RunningLoop {
  readonly peer: Peer;
  readonly gatherer: PeerGatherer;
  readonly ended: Promise<void>;
}

export interface PeerGatherersParts extends Omit<PeerGathererParts, 'isApplied'> {
  /** Whether the peer's roots are also written for the mesh. */
  readonly isInjected: (peer: Peer) => boolean;
}

export class PeerGatherers {
  readonly #parts: PeerGatherersParts;
  readonly #loops = new Map<TrustDomain, RunningLoop>();
  /** The document that SPIRE holds. */
  readonly #stored = new Map<TrustDomain, ParsedBundleDocument | BundleError>();
  /** The bundle of SPIRE whose roots the mesh uses. */
  readonly #arrived = new Map<TrustDomain, Bundle>();

  constructor(parts: PeerGatherersParts) {
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
      if (content === undefined || !holds || this.#stored.get(trustDomain) === content) continue;
      this.#stored.set(trustDomain, content);
      this.#tellApplied(trustDomain);
    }
  }

  /** Remembers whose roots the mesh was seen to use. */
  noteMesh({ facts: { stored }, arrived }: Pick<MeshReport, 'facts' | 'arrived'>): void {
    if (stored.state !== 'Known') return;
    for (const trustDomain of this.#loops.keys()) {
      const bundle = arrived.has(trustDomain) ? stored.value.get(trustDomain) : undefined;
      if (bundle === this.#arrived.get(trustDomain)) continue;
      if (bundle === undefined) this.#arrived.delete(trustDomain);
      else this.#arrived.set(trustDomain, bundle);
      this.#tellApplied(trustDomain);
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
      this.#stored.delete(trustDomain);
      this.#arrived.delete(trustDomain);
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

  #tellApplied(trustDomain: TrustDomain): void {
    const loop = this.#loops.get(trustDomain);
    const content = this.#stored.get(trustDomain);
    if (loop !== undefined && content !== undefined && this.#isApplied(loop.peer, content)) loop.gatherer.applied();
  }

  /** Our workloads meet the peer by what SPIRE holds, and in a mesh by what that uses. */
  #isApplied(peer: Peer, content: ParsedBundleDocument | BundleError): boolean {
    const { board, isInjected } = this.#parts;
    const { trustDomain } = peer;
    if (this.#stored.get(trustDomain) !== content) return false;
    const held = board.heldBundle(trustDomain);
    return !isInjected(peer) || (held !== undefined && this.#arrived.get(trustDomain) === held);
  }

  #start(peer: Peer): RunningLoop {
    const gatherer = new PeerGatherer(peer, { isApplied: (content) => this.#isApplied(peer, content), ...this.#parts });
    return { peer, gatherer, ended: gatherer.run() };
  }
}
