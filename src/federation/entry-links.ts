// Which entries gain or lose a peer in federates_with? Only real differences: every update makes agents re-issue an SVID.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { indexEntries } from './entry-index.ts';
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
  /** Entries that somebody else keeps as they are declared elsewhere are left alone. */
  readonly mayEdit: (entry: RegistrationEntry) => boolean;
}

/** In the order of the entries. */
export function planEntryLinks({ entries, held, leaving, mayEdit }: EntryLinkInput): EntryLinkChange[] {
  const index = indexEntries(entries);
  const changes = new Map<RegistrationEntry, { readonly add: TrustDomain[]; readonly remove: TrustDomain[] }>();
  const changeOf = (entry: RegistrationEntry) => {
    const change = changes.get(entry) ?? { add: [], remove: [] };
    changes.set(entry, change);
    return change;
  };
  for (const name of leaving) {
    for (const entry of index.naming(name)) changeOf(entry).remove.push(name);
  }
  for (const peer of held) {
    if (peer.entrySelectors.length === 0) continue;
    const chosen = index.chosenBy(peer);
    const naming = index.naming(peer.trustDomain);
    for (const entry of chosen) if (!naming.has(entry)) changeOf(entry).add.push(peer.trustDomain);
    if (peer.entryScope !== 'Exact') continue;
    for (const entry of naming) if (!chosen.has(entry)) changeOf(entry).remove.push(peer.trustDomain);
  }
  if (changes.size === 0) return [];
  return entries.flatMap((entry) => {
    const change = changes.get(entry);
    return change === undefined || !mayEdit(entry) ? [] : [{ entry, ...change }];
  });
}

/** The full set to write, sorted; `excluded` trust domains stay as they are. */
export function linksAfter(change: EntryLinkChange, excluded: ReadonlySet<TrustDomain>): TrustDomain[] {
  const links = new Set(change.entry.federatesWith);
  for (const name of change.add) if (!excluded.has(name)) links.add(name);
  for (const name of change.remove) if (!excluded.has(name)) links.delete(name);
  return [...links].sort();
}
