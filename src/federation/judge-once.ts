// Was this document judged already, with all else as it is now? Rules read every certificate, which is nearly all that a
// pass costs: with a thousand new peers, each pass would read those of all that are not stored yet.
import type { BundleError } from '../bundle/bundle-error.ts';
import type { ParsedBundleDocument } from '../bundle/bundle-document.ts';
import { judgeFetchedBundle, type AcceptanceInput, type Verdict } from './acceptance.ts';

/** Time alone can change a verdict, when a root expires. */
const JUDGE_AGAIN_AFTER_MS = 60_000;

/** Kept for as long as the document is there itself. */
const judged = new WeakMap<ParsedBundleDocument | BundleError, { input: AcceptanceInput; verdict: Verdict }>();

/** As `judgeFetchedBundle`; a verdict over the same values is up to a minute old. */
export function judgeOnce(input: AcceptanceInput): Verdict {
  const last = judged.get(input.content);
  if (last !== undefined && isSame(last.input, input)) return last.verdict;
  const verdict = judgeFetchedBundle(input);
  judged.set(input.content, { input, verdict });
  return verdict;
}

/** Facts are replaced, never changed in place: the same value says the same. */
function isSame(a: AcceptanceInput, b: AcceptanceInput): boolean {
  const elapsedMs = b.now.getTime() - a.now.getTime();
  return (
    a.peer === b.peer &&
    a.held === b.held &&
    a.knownRoots === b.knownRoots &&
    a.maxRoots === b.maxRoots &&
    elapsedMs >= 0 &&
    elapsedMs < JUDGE_AGAIN_AFTER_MS
  );
}
