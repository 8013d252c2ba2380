// For how long has a peer not answered, and is that too long? Silence alone takes nothing away, unless policy says so.
import type { FetchFact } from './facts.ts';
import type { Peer } from './relationship.ts';

/** `Stale`: an alarm. `Expired`: `policy.onExpired` says what follows. */
export type Freshness = 'Fresh' | 'Stale' | 'Expired';

/**
 * Counts from the last success while the latest attempt failed. After a restart nothing is known of earlier successes:
 * then it counts from the first failure, so that a restart delays a cut and never brings one forward.
 */
export function freshnessOf({ policy }: Pick<Peer, 'policy'>, fetch: FetchFact | undefined, now: Date): Freshness {
  if (fetch?.failure === undefined) return 'Fresh';
  const silentSeconds = (now.getTime() - (fetch.lastSuccessAt ?? fetch.failure.since).getTime()) / 1000;
  if (policy.expireAfterSeconds !== undefined && silentSeconds >= policy.expireAfterSeconds) return 'Expired';
  return silentSeconds >= policy.staleAfterSeconds ? 'Stale' : 'Fresh';
}

/** Whether its trust is to be taken away until it answers again. */
export function isCutByExpiry(peer: Pick<Peer, 'policy' | 'mode'>, fetch: FetchFact | undefined, now: Date): boolean {
  return peer.mode === 'Own' && peer.policy.onExpired === 'Cut' && freshnessOf(peer, fetch, now) === 'Expired';
}
