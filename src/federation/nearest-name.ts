// Which known name did the operator probably mean? For settings and declarations, whose unknown names are refused.

/** More edits than this and the two names are probably unrelated. */
const MAX_EDITS = 3;

/** The known name that is the fewest edits away, or undefined when none is near. Case does not count. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  let nearest: string | undefined;
  let fewestEdits = Math.min(MAX_EDITS, Math.ceil(name.length / 2)) + 1;
  for (const candidate of known) {
    // Longer names cannot be near, and an unbounded name would make the comparison slow.
    if (Math.abs(candidate.length - name.length) >= fewestEdits) continue;
    const edits = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (edits < fewestEdits) [nearest, fewestEdits] = [candidate, edits];
  }
  return nearest;
}

/** Levenshtein's distance: single-character insertions, deletions and substitutions. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 0; row < a.length; row++) {
    const current = [row + 1];
    for (let column = 0; column < b.length; column++) {
      const substitution = (previous[column] ?? 0) + (a[row] === b[column] ? 0 : 1);
      current.push(Math.min(substitution, (previous[column + 1] ?? 0) + 1, (current[column] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
