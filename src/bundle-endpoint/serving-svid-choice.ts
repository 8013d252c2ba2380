// Which SVID may our endpoint present? One that those who fetch rarely can verify too. (SPIFFE Federation §4.1)

/**
 * Prepare and activate within one polling interval, and a consumer that polls meets a certificate signed by a root it
 * never saw: then it can never fetch again (measured on SPIRE 1.15.3, whose own endpoint does this). So a new root signs
 * for us only after it was served for long enough, and not while a peer that tells what it holds lacks it: that one could
 * not fetch what it is late with. All this as long as an older SVID can still stand in.
 */
export interface ServingCandidate {
  readonly notAfter: Date;
  /** When the root that signed it was first served; undefined when the served bundle does not have that root. */
  readonly rootServedSince: Date | undefined;
  /** The broker of a peer has told that it holds a bundle of ours without that root. Absent: none has. */
  readonly isRootMissed?: boolean;
}

export interface ServingChoiceInput {
  readonly now: Date;
  readonly current: ServingCandidate | undefined;
  /** The newest SVID that SPIRE minted. */
  readonly minted: ServingCandidate | undefined;
  readonly refreshHintSeconds: number;
}

export type ServingChoice =
  | {
      readonly use: 'Minted';
      readonly reason: 'FirstSvid' | 'RootServedLongEnough' | 'CurrentExpires' | 'CurrentRootGone';
    }
  | { readonly use: 'Current'; readonly reason: 'RootTooNew' | 'RootMissed' | 'NothingNewer' }
  /** Nothing that verifies against the served bundle. */
  | { readonly use: 'None'; readonly reason: 'NoUsableSvid' };

/**
 * How long a new root is served before it signs for us: two fetches of every consumer. One hint is less than one: our own
 * fetches vary by half of it at most, and SPIRE polls every 15 s whatever shorter hint it is given (measured on SPIRE
 * 1.15.3).
 */
export function servedBeforeSigningSeconds(refreshHintSeconds: number): number {
  return Math.max(2 * refreshHintSeconds, 30);
}

/** The old SVID is given up this long before its end, so that no handshake meets it expired. */
const GIVE_UP_BEFORE_MS = 5_000;

export function chooseServingSvid({ now, current, minted, refreshHintSeconds }: ServingChoiceInput): ServingChoice {
  const usable = (svid: ServingCandidate | undefined) =>
    svid?.rootServedSince !== undefined && svid.notAfter > now ? svid : undefined;
  const [usableCurrent, usableMinted] = [usable(current), usable(minted)];
  if (usableMinted?.rootServedSince === undefined) {
    return usableCurrent === undefined
      ? { use: 'None', reason: 'NoUsableSvid' }
      : { use: 'Current', reason: 'NothingNewer' };
  }
  if (current === undefined) return { use: 'Minted', reason: 'FirstSvid' };
  if (usableCurrent === undefined) {
    return { use: 'Minted', reason: current.rootServedSince === undefined ? 'CurrentRootGone' : 'CurrentExpires' };
  }
  const servedMs = now.getTime() - usableMinted.rootServedSince.getTime();
  const isTooNew = servedMs < servedBeforeSigningSeconds(refreshHintSeconds) * 1000;
  if (!isTooNew && usableMinted.isRootMissed !== true) return { use: 'Minted', reason: 'RootServedLongEnough' };
  if (areAlike(usableCurrent, usableMinted)) return { use: 'Minted', reason: 'RootServedLongEnough' };
  const expires = usableCurrent.notAfter.getTime() - now.getTime() <= GIVE_UP_BEFORE_MS;
  if (expires) return { use: 'Minted', reason: 'CurrentExpires' };
  return { use: 'Current', reason: isTooNew ? 'RootTooNew' : 'RootMissed' };
}

/** Signed by the same root, or by two that nobody can tell apart. */
function areAlike(a: ServingCandidate, b: ServingCandidate): boolean {
  return (
    a.rootServedSince?.getTime() === b.rootServedSince?.getTime() &&
    (a.isRootMissed === true) === (b.isRootMissed === true)
  );
}
