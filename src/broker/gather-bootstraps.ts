// With which bundle does SPIRE begin where it fetches itself? Read for the peers in mode Delegate that declare one.
import type { Clock } from '../federation/clock.ts';
import { known, unreadable } from '../federation/facts.ts';
import { firstContactBundle } from '../federation/first-contact.ts';
import type { Peer } from '../federation/relationship.ts';
import type { BrokerParts } from './broker-parts.ts';
import { codedError } from './coded.ts';
import type { FactBoard } from './fact-board.ts';

export interface BootstrapReading extends Pick<BrokerParts, 'readBootstrap'> {
  readonly board: FactBoard;
  readonly clock: Clock;
}

/** Never rejects: what cannot be read is an unreadable fact. */
export async function gatherBootstraps(
  peers: readonly Peer[],
  { readBootstrap, board, clock }: BootstrapReading,
): Promise<void> {
  for (const peer of peers.filter(isDelegatedWithBootstrap)) {
    const at = clock.now();
    try {
      const bundle = await firstContactBundle(peer, readBootstrap);
      if (bundle !== undefined) board.noteBootstrap(peer.trustDomain, known(bundle, at));
    } catch (error) {
      board.noteBootstrap(peer.trustDomain, unreadable(codedError(error), at));
    }
  }
}

function isDelegatedWithBootstrap({ mode, bootstrap, lastGoodBundle }: Peer): boolean {
  return mode === 'Delegate' && (bootstrap !== undefined || lastGoodBundle !== undefined);
}
