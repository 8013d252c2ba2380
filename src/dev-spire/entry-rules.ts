// Which registration entries does SPIRE Server refuse, and which are the same? (its texts)
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Entry, EntryMask } from '../spire/gen/spire/api/types/entry_pb.ts';
import type { Selector } from '../spire/gen/spire/api/types/selector_pb.ts';
import type { SPIFFEID } from '../spire/gen/spire/api/types/spiffeid_pb.ts';
import { memberId, trustDomainFromText, workloadId } from './names.ts';

const MAX_ENTRY_ID_CHARACTERS = 255;
const ENTRY_ID_PATTERN = /^[A-Za-z0-9._-]*$/;

/** Throws Error with SPIRE's text. Fields that the mask leaves out need not be there. */
export function checkEntry(own: TrustDomain, entry: Entry, mask: EntryMask | undefined): void {
  const takes = (field: Exclude<keyof EntryMask, '$typeName' | '$unknown'>) => mask === undefined || mask[field];
  if (takes('parentId')) prefixed('invalid parent ID', () => memberId(own, entry.parentId));
  if (takes('spiffeId')) prefixed('invalid spiffe ID', () => workloadId(own, entry.spiffeId));
  if (takes('federatesWith')) {
    prefixed('invalid federated trust domain', () => entry.federatesWith.map(trustDomainFromText));
  }
  if (takes('selectors')) checkSelectors(entry.selectors);
}

export function checkSelectors(selectors: readonly Selector[]): void {
  if (selectors.length === 0) throw new Error('selector list is empty');
  for (const { type, value } of selectors) {
    if (type === '') throw new Error('missing selector type');
    if (type.includes(':')) throw new Error("selector type contains ':'");
    if (value === '') throw new Error('missing selector value');
  }
}

/** What SPIRE's data store refuses once the message could be read. */
export function checkStorable(entry: Entry): void {
  if (entry.id.length > MAX_ENTRY_ID_CHARACTERS) {
    throw new Error('datastore-validation: invalid registration entry: entry ID too long');
  }
  if (!ENTRY_ID_PATTERN.test(entry.id)) {
    throw new Error('datastore-validation: invalid registration entry: entry ID contains invalid characters');
  }
}

/** Another entry with the same SPIFFE ID, parent and selectors, whatever its id. */
export function similarEntry(entries: readonly Entry[], given: Entry): Entry | undefined {
  return entries.find(
    (entry) =>
      idText(entry.spiffeId) === idText(given.spiffeId) &&
      idText(entry.parentId) === idText(given.parentId) &&
      sameSet(entry.selectors.map(selectorText), given.selectors.map(selectorText)),
  );
}

export function idText(id: SPIFFEID | undefined): string {
  return `spiffe://${id?.trustDomain ?? ''}${id?.path ?? ''}`;
}

export function selectorText({ type, value }: Selector): string {
  return `${type}:${value}`;
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  const [setA, setB] = [new Set(a), new Set(b)];
  return setA.size === setB.size && [...setA].every((member) => setB.has(member));
}

function prefixed(doing: string, check: () => unknown): void {
  try {
    check();
  } catch (error) {
    throw new Error(`${doing}: ${(error as Error).message}`);
  }
}
