// How is one thing that happened written on one line?
import type { Note } from './scene.ts';

/** ` 12.3 s  text`, or `! 12.3 s  text` for what should not have happened. */
export function noteLine({ atMs, tone, text }: Note): string {
  return `${tone === 'Bad' ? '!' : ' '}${(atMs / 1000).toFixed(1).padStart(5)} s  ${text}`;
}
