// Which entries gain or lose a peer in federates_with? Only real differences: every update makes agents re-issue an SVID.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { selectsEntry } from './entry-selection.ts';
import type { RegistrationEntry } from './ports.ts';
import type { Peer } from './relationship.ts';

export interface EntryLinkChange {
  readonly entry: RegistrationEntry;
  readonly add: readonly TrustDomain[];
  readonly remove: readonly TrustDomain[];
}

export interface EntryLinkInput {
  readonly entries: readonly RegistrationEntry[];
  /** Peers whose bundle SPIRE holds by the time entries are updated: SPIRE refuses an entry that names an unknown one. */
  readonly held: readonly Peer[];
  /** Trust domains whose bundle is about to be deleted: no entry may name them. */
  readonly leaving: ReadonlySet<TrustDomain>;
}

export function planEntryLinks({ entries, held, leaving }: EntryLinkInput): EntryLinkChange[] {
  const choosing = held.filter((peer) => peer.entrySelectors.length > 0);
  return entries.flatMap((entry) => {
    const linked = new Set(entry.federatesWith);
    const add: TrustDomain[] = [];
    const remove = entry.federatesWith.filter((name) => leaving.has(name));
    for (const peer of choosing) {
      const selected = selectsEntry(peer.entrySelectors, entry);
      if (selected && !linked.has(peer.trustDomain)) add.push(peer.trustDomain);
      if (!selected && linked.has(peer.trustDomain) && peer.entryScope === 'Exact') remove.push(peer.trustDomain);
    }
    return add.length > 0 || remove.length > 0 ? [{ entry, add, remove }] : [];
  });
}

/** The full set to write, sorted; `excluded` trust domains stay as they are. */
export function linksAfter(change: EntryLinkChange, excluded: ReadonlySet<TrustDomain>): TrustDomain[] {
  const links = new Set(change.entry.federatesWith);
  for (const name of change.add) if (!excluded.has(name)) links.add(name);
  for (const name of change.remove) if (!excluded.has(name)) links.delete(name);
  return [...links].sort();
}
