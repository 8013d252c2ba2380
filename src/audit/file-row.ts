// Which files make up a chain, and which lines are in them? `audit.jsonl.000001`, `audit.jsonl.000002`, …, `audit.jsonl`
import { basename, dirname, join } from 'node:path';
import type { FileAccess } from './file-access.ts';

export interface Line {
  /** Without its line feed. */
  readonly bytes: Buffer;
  /** Where the next line begins in the file. */
  readonly end: number;
  /** False for the last bytes of a file that does not end with a line feed. */
  readonly isWhole: boolean;
}

/** A snapshot of ten thousand peers is a few megabytes. */
const MAX_LINE_BYTES = 64 * 2 ** 20;
const CHUNK_BYTES = 256 * 1024;
const LINE_FEED = 0x0a;
const DIGITS = 6;

/** Those that are full, oldest first. The current one is not among them. */
export async function fullFiles(path: string, files: FileAccess): Promise<string[]> {
  const prefix = `${basename(path)}.`;
  const names = await files.readdir(dirname(path));
  return names
    .filter((name) => name.startsWith(prefix) && /^\d{6,15}$/.test(name.slice(prefix.length)))
    .sort((a, b) => Number(a.slice(prefix.length)) - Number(b.slice(prefix.length)))
    .map((name) => join(dirname(path), name));
}

/** The name that the current file gets when it is full. */
export function nextFullFile(path: string, full: readonly string[]): string {
  const last = full.at(-1)?.slice(path.length + 1) ?? '0';
  return `${path}.${String(Number(last) + 1).padStart(DIGITS, '0')}`;
}

/** The lines from an offset on, one after another; at most one line and a chunk are held in memory. */
export async function* linesOf(
  handle: Pick<Awaited<ReturnType<FileAccess['open']>>, 'read'>,
  from = 0,
): AsyncGenerator<Line> {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  let rest: Buffer[] = [];
  let restBytes = 0;
  let position = from;
  for (;;) {
    const { bytesRead } = await handle.read(chunk, 0, CHUNK_BYTES, position);
    if (bytesRead === 0) break;
    let start = 0;
    for (let at = chunk.indexOf(LINE_FEED); at !== -1 && at < bytesRead; at = chunk.indexOf(LINE_FEED, start)) {
      const bytes = Buffer.concat([...rest, chunk.subarray(start, at)]);
      [rest, restBytes, start] = [[], 0, at + 1];
      yield { bytes, end: position + start, isWhole: true };
    }
    const remainder = Buffer.from(chunk.subarray(start, bytesRead));
    rest.push(remainder);
    restBytes += remainder.length;
    position += bytesRead;
    if (restBytes > MAX_LINE_BYTES) break;
  }
  if (restBytes > 0) yield { bytes: Buffer.concat(rest), end: position, isWhole: false };
}
