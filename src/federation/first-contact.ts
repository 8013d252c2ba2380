// With which bundle does contact with a peer begin, the first time or again? (SPIFFE Federation §5.2.2.2)
import type { Bundle } from '../bundle/bundle.ts';
import { lastGoodBundleOf } from './bootstrap.ts';
import { isNewer } from './endpoint-trust.ts';
import type { Peer } from './relationship.ts';

/**
 * The newest of what is declared and what was held when the peer was quarantined. Rejects when there is only what is
 * declared and that cannot be read.
 */
export async function firstContactBundle(
  peer: Peer,
  readBootstrap: (peer: Peer) => Promise<Bundle | undefined>,
): Promise<Bundle | undefined> {
  const lastGood = lastGoodBundleOf(peer);
  if (lastGood === undefined) return readBootstrap(peer);
  const declared = await readBootstrap(peer).catch(() => undefined);
  return declared !== undefined && isNewer(declared, lastGood) ? declared : lastGood;
}
