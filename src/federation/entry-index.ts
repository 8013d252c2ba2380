// Which entries does a peer choose, and which name it? Answered once for each list of entries: with a thousand peers and
// ten thousand entries, to compare all with all would cost more than the rest of a pass.
import { remembered } from '../bundle/remembered.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { exactSpiffeId, selectsEntry } from './entry-selection.ts';
import { groupBy } from './group-by.ts';
import type { RegistrationEntry } from './ports.ts';
import type { EntrySelector, Peer } from './relationship.ts';

type Entries = ReadonlySet<RegistrationEntry>;

export interface EntryIndex {
  /** Those that a selector of the peer matches. */
  chosenBy(peer: Peer): Entries;
  /** Those that have the trust domain in `federates_with`. */
  naming(trustDomain: TrustDomain): Entries;
}

const NONE: Entries = new Set();

export const indexEntries = remembered((entries: readonly RegistrationEntry[]): EntryIndex => {
  const bySpiffeId = groupBy<RegistrationEntry, string>(entries, ({ spiffeId }) => [spiffeId]);
  const byName = groupBy(entries, ({ federatesWith }) => federatesWith);
  const candidates = (selector: EntrySelector): Iterable<RegistrationEntry> => {
    const exact = exactSpiffeId(selector);
    return exact === undefined ? entries : (bySpiffeId.get(exact) ?? NONE);
  };
  return {
    chosenBy: remembered(({ entrySelectors }) => {
      const chosen = (selector: EntrySelector) =>
        [...candidates(selector)].filter((entry) => selectsEntry([selector], entry));
      return new Set(entrySelectors.flatMap(chosen));
    }),
    naming: (trustDomain) => byName.get(trustDomain) ?? NONE,
  };
});
