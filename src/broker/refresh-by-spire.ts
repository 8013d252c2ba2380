// What does SPIRE's own poller say when it is asked to fetch a delegated peer now? (TrustDomain.RefreshBundle)
import type { Clock } from '../federation/clock.ts';
import type { SpireServer } from '../federation/ports.ts';
import type { Peer } from '../federation/relationship.ts';
import { codedError } from './coded.ts';
import type { FactBoard } from './fact-board.ts';

export interface RefreshBySpireParts {
  readonly spire: SpireServer;
  readonly board: FactBoard;
  readonly clock: Clock;
}

/** The answer or the failure becomes the peer's fetch fact. SPIRE sets no limit of its own; the call's deadline does. */
export async function refreshBySpire(
  { trustDomain }: Peer,
  { spire, board, clock }: RefreshBySpireParts,
  signal: AbortSignal,
): Promise<void> {
  const before = board.fetchOf(trustDomain);
  try {
    await spire.refreshBundle(trustDomain, signal);
    const now = clock.now();
    board.noteFetched(trustDomain, { document: undefined, lastAttemptAt: now, lastSuccessAt: now, failure: undefined });
  } catch (error) {
    if (signal.aborted) return;
    const { code, message } = codedError(error);
    const now = clock.now();
    const { since = now, attempts = 0 } = before?.failure ?? {};
    board.noteFetched(trustDomain, {
      document: undefined,
      lastAttemptAt: now,
      lastSuccessAt: before?.lastSuccessAt,
      failure: { reason: code, message, since, attempts: attempts + 1 },
    });
  }
}
