// Which peers are being asked? One loop for each active peer that the broker fetches itself, restarted when its
// declaration changes.
import { isDeepStrictEqual } from 'node:util';
import type { Bundle } from '../bundle/bundle.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { ParsedBundleDocument } from '../bundle/bundle-document.ts';
import type { BundleError } from '../bundle/bundle-error.ts';
import type { PeerPlan } from '../federation/decide-peer.ts';
import type { Peer } from '../federation/relationship.ts';
import type { MeshReport } from './mesh-keeper.ts';
import type { PassReport } from './pass.ts';
import { PeerGatherer, type PeerGathererParts } from './gather-peer.ts';

interface RunningLoop {
  readonly peer: Peer;
  readonly gatherer: PeerGatherer;
  readonly ended: Promise<void>;
}

/** A document that SPIRE holds, for as long as it holds this very bundle. */
interface StoredDocument {
  readonly content: ParsedBundleDocument | BundleError;
  readonly bundle: Bundle;
}

export interface PeerGatherersParts extends Omit<PeerGathererParts, 'isApplied'> {
  /** Whether the peer's roots are also written for the mesh. */
  readonly isInjected: (peer: Peer) => boolean;
}

export class PeerGatherers {
  readonly #parts: PeerGatherersParts;
  readonly #loops = new Map<TrustDomain, RunningLoop>();
  readonly #stored = new Map<TrustDomain, StoredDocument>();
  /** The bundle of SPIRE whose roots the mesh uses. */
  readonly #arrived = new Map<TrustDomain, Bundle>();

  constructor(parts: PeerGatherersParts) {
    this.#parts = parts;
  }

  /** Remembers whose newest document SPIRE holds after a pass: what was applied, never what was merely seen. */
  noteApplied({ facts, plan, outcomes }: PassReport): void {
    const failed = new Set(outcomes.flatMap(({ error, trustDomains }) => (error === undefined ? [] : trustDomains)));
    const stored = new Set(outcomes.flatMap(({ kind, trustDomains }) => (kind === 'StoreBundle' ? trustDomains : [])));
    const bundleOf = ({ peer: { trustDomain }, verdict }: PeerPlan) => {
      if (verdict?.verdict === 'unchanged' && facts.stored.state === 'Known')
        return facts.stored.value.get(trustDomain);
      if (verdict?.verdict !== 'accepted' || !stored.has(trustDomain) || failed.has(trustDomain)) return undefined;
      return verdict.bundle;
    };
    for (const planned of plan.peers) {
      const { trustDomain } = planned.peer;
      const content = facts.fetched.get(trustDomain)?.document?.content;
      const bundle = bundleOf(planned);
      if (content === undefined || bundle === undefined) continue;
      const before = this.#stored.get(trustDomain);
      if (before?.content === content && before.bundle === bundle) continue;
      this.#stored.set(trustDomain, { content, bundle });
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
    const stored = this.#stored.get(trustDomain);
    if (loop !== undefined && stored !== undefined && this.#isApplied(loop.peer, stored.content))
      loop.gatherer.applied();
  }

  /** Our workloads meet the peer by what SPIRE holds, and in a mesh by what that uses. */
  #isApplied(peer: Peer, content: ParsedBundleDocument | BundleError): boolean {
    const { board, isInjected } = this.#parts;
    const { trustDomain } = peer;
    const stored = this.#stored.get(trustDomain);
    // A bundle that SPIRE holds no longer is not applied, whoever took it away.
    if (stored?.content !== content || stored.bundle !== board.heldBundle(trustDomain)) return false;
    return !isInjected(peer) || this.#arrived.get(trustDomain) === stored.bundle;
  }

  #start(peer: Peer): RunningLoop {
    const gatherer = new PeerGatherer(peer, { isApplied: (content) => this.#isApplied(peer, content), ...this.#parts });
    return { peer, gatherer, ended: gatherer.run() };
  }
}
