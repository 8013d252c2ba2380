// Which registration entries may meet a peer?
import type { RegistrationEntry, Selector } from './ports.ts';
import type { EntrySelector } from './relationship.ts';

/** Whether any of the selectors matches; none given means no entry. */
export function selectsEntry(selectors: readonly EntrySelector[], entry: RegistrationEntry): boolean {
  return selectors.some((selector) => matches(selector, entry));
}

/** The one SPIFFE ID that the selector can match, if there is only one. */
export function exactSpiffeId({ spiffeIdPattern }: EntrySelector): string | undefined {
  return spiffeIdPattern?.includes('*') === true ? undefined : spiffeIdPattern;
}

function matches(selector: EntrySelector, entry: RegistrationEntry): boolean {
  return (
    (selector.spiffeIdPattern === undefined || matchesPattern(selector.spiffeIdPattern, entry.spiffeId)) &&
    (selector.parentIdPattern === undefined || matchesPattern(selector.parentIdPattern, entry.parentId)) &&
    (selector.hint === undefined || selector.hint === entry.hint) &&
    selector.selectors.every((wanted) => entry.selectors.some((own) => sameSelector(own, wanted)))
  );
}

function sameSelector(a: Selector, b: Selector): boolean {
  return a.type === b.type && a.value === b.value;
}

/** `*` stands for exactly one path segment, `**` for any number of them, none included; all else stands for itself. */
export function matchesPattern(pattern: string, id: string): boolean {
  // Nearly every pair of a pattern and an entry ends here.
  const star = pattern.indexOf('*');
  if (star === -1) return pattern === id;
  if (!id.startsWith(pattern.slice(0, Math.max(star - 1, 0)))) return false;
  const segments = id.split('/');
  // covered[n]: the pattern's parts so far can stand for the first n segments. Work is parts × segments, whatever the
  // pattern.
  let covered = [true, ...segments.map(() => false)];
  for (const part of pattern.split('/')) {
    const shortest = covered.indexOf(true);
    covered = covered.map((_, count) => {
      if (part === '**') return shortest !== -1 && count >= shortest;
      return count > 0 && covered[count - 1] === true && (part === '*' || part === segments[count - 1]);
    });
  }
  return covered[segments.length] === true;
}
