// What follows for one declared peer from all that is known: is its document accepted, is it cut, is it withheld?
import type { Verdict } from './acceptance.ts';
import type { Facts } from './facts.ts';
import { isCutByExpiry } from './freshness.ts';
import { judgeOnce } from './judge-once.ts';
import { findOtherWriter, type OtherWriter } from './other-writer.ts';
import type { Peer } from './relationship.ts';

/** What was decided about one declared peer, and why. */
export interface PeerPlan {
  readonly peer: Peer;
  /** Undefined while nothing was fetched or SPIRE was not read, and where SPIRE fetches. */
  readonly verdict: Verdict | undefined;
  readonly otherWriter: OtherWriter | undefined;
  /** Why its trust is taken away though it is declared. */
  readonly cut: CutReason | undefined;
  /** Declared with `policy.requireConsent`, and its broker has not shown yet that it declares us: nothing is taken up. */
  readonly waitsForConsent: boolean;
}

/** `Declared`: by `suspend: Revoke`. `RevokedByPeer`: it publishes no key. `Expired`: it was silent for too long. */
export type CutReason = 'Declared' | 'RevokedByPeer' | 'Expired';

interface VerdictLimits {
  readonly maxRoots: number;
}

/** Reasons in this order: what the operator says, what the peer says, for how long it was silent. */
export function decidePeer(peer: Peer, facts: Facts, limits: VerdictLimits): PeerPlan {
  const verdict = verdictOn(peer, facts, limits);
  return {
    peer,
    verdict,
    otherWriter: findOtherWriter(peer, facts),
    cut: cutReason(peer, verdict, facts),
    waitsForConsent: waitsForConsent(peer, facts),
  };
}

function verdictOn(peer: Peer, facts: Facts, { maxRoots }: VerdictLimits): Verdict | undefined {
  const { stored, ownBundle } = facts;
  const document = facts.fetched.get(peer.trustDomain)?.document;
  if (document === undefined || peer.mode === 'Delegate') return undefined;
  // Before our own bundle is known, a root of ours would pass for the peer's.
  if (stored.state === 'Unreadable' || ownBundle.state === 'Unreadable') return undefined;
  return judgeOnce({
    peer,
    content: document.content,
    held: stored.value.get(peer.trustDomain),
    knownRoots: facts.knownRoots,
    maxRoots,
    now: facts.now,
  });
}

function cutReason(peer: Peer, verdict: Verdict | undefined, { fetched, now }: Facts): CutReason | undefined {
  if (peer.suspend === 'Revoke') return 'Declared';
  if (peer.suspend === 'Paused') return undefined;
  if (verdict?.verdict === 'revoked') return 'RevokedByPeer';
  return isCutByExpiry(peer, fetched.get(peer.trustDomain), now) ? 'Expired' : undefined;
}

/** Asked at first contact only: a peer that is federated already is not cut by a later wish for consent. */
function waitsForConsent({ policy, trustDomain }: Peer, { stored, acknowledgements }: Facts): boolean {
  if (!policy.requireConsent || acknowledgements.has(trustDomain)) return false;
  return stored.state === 'Unreadable' || (stored.value.get(trustDomain)?.x509Authorities.length ?? 0) === 0;
}
