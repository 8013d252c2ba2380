// Which entries gain or lose a peer in federates_with? Only real differences: every update makes agents re-issue an SVID.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { indexEntries } from './entry-index.ts';
import { LinkChanges, type LinkChange } from './link-changes.ts';
import type { RegistrationEntry } from './ports.ts';
import type { Peer } from './relationship.ts';

export interface EntryLinkChange extends LinkChange {
  readonly entry: RegistrationEntry;
}

export interface EntryLinkInput {
  readonly entries: readonly RegistrationEntry[];
  /** Peers whose bundle SPIRE holds by the time entries are updated: SPIRE refuses an entry that names an unknown one. */
  readonly held: readonly Peer[];
  /** Trust domains whose bundle is about to be deleted: no entry may name them. */
  readonly leaving: ReadonlySet<TrustDomain>;
  /** Entries that somebody else keeps as they are declared elsewhere are left alone. */
  readonly mayEdit: (entry: RegistrationEntry) => boolean;
}

/** In the order of the entries. */
export function planEntryLinks({ entries, held, leaving, mayEdit }: EntryLinkInput): EntryLinkChange[] {
  const index = indexEntries(entries);
  const changes = new LinkChanges<RegistrationEntry>();
  for (const name of leaving) {
    for (const entry of index.naming(name)) changes.remove(entry, name);
  }
  for (const peer of held) {
    if (peer.entrySelectors.length === 0) continue;
    const chosen = index.chosenBy(peer);
    const naming = index.naming(peer.trustDomain);
    for (const entry of chosen) if (!naming.has(entry)) changes.add(entry, peer.trustDomain);
    if (peer.entryScope !== 'Exact') continue;
    for (const entry of naming) if (!chosen.has(entry)) changes.remove(entry, peer.trustDomain);
  }
  return changes.in(entries).flatMap(([entry, change]) => (mayEdit(entry) ? [{ entry, ...change }] : []));
}

/** The full set to write, sorted; `excluded` trust domains stay as they are. */
export function linksAfter(change: EntryLinkChange, excluded: ReadonlySet<TrustDomain>): TrustDomain[] {
  const links = new Set(change.entry.federatesWith);
  for (const name of change.add) if (!excluded.has(name)) links.add(name);
  for (const name of change.remove) if (!excluded.has(name)) links.delete(name);
  return [...links].sort();
}
