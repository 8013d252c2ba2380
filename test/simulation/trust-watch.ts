// Does every good peer keep the trust it has, and get what it is due? What signs for it now is in what others hold of it.
import { fingerprint } from '../../src/bundle/bundle.ts';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import type { SimulatedTrustDomain } from './trust-domain-model.ts';
import type { AuthorityPool } from './authority-pool.ts';
import { PARTNER, type World } from './world.ts';

/** One trust domain as another holds it. */
interface Pair {
  readonly consumer: SimulatedTrustDomain;
  readonly peer: SimulatedTrustDomain;
  /** Since when what signs for the peer is not held, without an excuse. */
  missingSinceMs: number | undefined;
  isHeld: boolean;
  activeRoot: string | undefined;
  /** Since when the peer is declared and active here. */
  inForceSinceMs: number | undefined;
}

/**
 * From the moment at which nothing fails any more, a change has come through after so long: the longest interval
 * between two fetches and its jitter (44 s), our polls (12 s), and a pass that is tried again after 60 s.
 */
export const COMES_THROUGH_WITHIN_MS = 130_000;

export class TrustWatch {
  readonly #world: World;
  readonly #pairs = new Map<string, Pair>();

  constructor(world: World) {
    this.#world = world;
  }

  /** What is wrong now, if anything. Called when something changed, and now and then. */
  look(): string | undefined {
    for (const consumer of this.#world.brokered) {
      for (const peer of this.#world.domains.values()) {
        if (peer === consumer || peer.kind === 'Hostile') continue;
        const objection = this.#lookAt(this.#pairOf(consumer, peer));
        if (objection !== undefined) return `${consumer.trustDomain} of ${peer.trustDomain}: ${objection}`;
      }
    }
    return undefined;
  }

  /** Whether the peer is declared, and nobody has claimed its roots. */
  #isInForce({ consumer, peer }: Pair): boolean {
    const isTold = consumer.operator.hasTold(peer.trustDomain);
    return isTold && isInForce(consumer, peer.trustDomain) && !isClaimed(consumer, peer.trustDomain, this.#world.pool);
  }

  #lookAt(pair: Pair): string | undefined {
    const nowMs = this.#world.elapsedMs;
    if (!this.#isInForce(pair)) {
      pair.inForceSinceMs = undefined;
      pair.isHeld = false;
      pair.missingSinceMs = undefined;
      return undefined;
    }
    pair.inForceSinceMs ??= nowMs;
    const { consumer, peer } = pair;
    const active = fingerprint(peer.spire.activeRoot);
    const wasActivated = pair.activeRoot !== undefined && pair.activeRoot !== active;
    pair.activeRoot = active;
    const stored = consumer.spire.bundles.get(peer.trustDomain);
    const isHeld = stored?.x509Authorities.some((root) => fingerprint(root) === active) ?? false;
    const wasHeld = pair.isHeld;
    pair.isHeld = isHeld;
    if (isHeld) {
      pair.missingSinceMs = undefined;
      return undefined;
    }
    pair.missingSinceMs ??= nowMs;
    const calmSinceMs = this.#calmSinceMs(pair);
    if (wasHeld && !wasActivated && consumer.tamperedAtMs !== nowMs) return 'the root that signs was held, and is lost';
    if (
      wasActivated &&
      peer.preparedAtMs + COMES_THROUGH_WITHIN_MS < nowMs &&
      calmSinceMs + COMES_THROUGH_WITHIN_MS < nowMs
    ) {
      return 'a root signs that was published long enough ago, and is not held';
    }
    const sinceMs = Math.max(pair.missingSinceMs, calmSinceMs);
    return nowMs - sinceMs > COMES_THROUGH_WITHIN_MS
      ? 'the root that signs is not held, though nothing fails'
      : undefined;
  }

  /** Infinity while something is wrong that excuses a delay. */
  #calmSinceMs({ consumer, peer, inForceSinceMs }: Pair): number {
    if (consumer.troubles > 0 || peer.troubles > 0) return Infinity;
    return Math.max(consumer.disturbedAtMs, peer.disturbedAtMs, inForceSinceMs ?? 0);
  }

  #pairOf(consumer: SimulatedTrustDomain, peer: SimulatedTrustDomain): Pair {
    const key = `${consumer.trustDomain} ${peer.trustDomain}`;
    const known = this.#pairs.get(key);
    if (known !== undefined) return known;
    const pair: Pair = {
      ...{ consumer, peer, isHeld: false },
      ...{ missingSinceMs: undefined, activeRoot: undefined, inForceSinceMs: undefined },
    };
    this.#pairs.set(key, pair);
    return pair;
  }
}

/**
 * The known limit: a root that does not say whose it is belongs to whom it was first stored for, also when a hostile peer
 * claims it while nobody here trusts its owner.
 */
export function isClaimed({ spire }: SimulatedTrustDomain, owner: TrustDomain, pool: AuthorityPool): boolean {
  return [...spire.bundles.values()].some(
    ({ trustDomain, x509Authorities }) =>
      trustDomain !== owner &&
      trustDomain !== PARTNER &&
      x509Authorities.some((root) => pool.ownerOf(root) === owner && !pool.namesOwner(root)),
  );
}

export function isInForce({ operator }: SimulatedTrustDomain, trustDomain: TrustDomain): boolean {
  return operator.peers.get(trustDomain)?.suspend === 'Active';
}
