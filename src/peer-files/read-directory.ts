// What is in the directory right now? Names, a cheap signature that changes with any file, and the texts.
import { statSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** A declaration is a page; one with an inline bundle at its limit still fits. */
export const MAX_FILE_BYTES = 8 * 2 ** 20;
export const MAX_FILES = 10_000;

const FILE_NAME_PATTERN = /^[^.].*\.(yaml|yml|json)$/;

export interface DirectorySignature {
  /** Which directory it is: another one after a mount or an exchange of folders. */
  readonly identity: string;
  /** Differs when a file was added, removed, replaced or written to. */
  readonly signature: string;
  readonly names: readonly string[];
}

export type FileText = { readonly text: string } | { readonly unreadable: string };

/** Looks at names and file status only. Rejects when the directory cannot be listed or has more than `MAX_FILES` files. */
export async function readSignature(directory: string): Promise<DirectorySignature> {
  const { dev, ino } = await stat(directory, { bigint: true });
  const names = (await readdir(directory)).filter((name) => FILE_NAME_PATTERN.test(name)).sort();
  if (names.length > MAX_FILES) throw new Error(`it has more than ${MAX_FILES} files`);
  return {
    identity: `${dev}:${ino}`,
    signature: names.map((name) => `${name}\0${fileMark(join(directory, name))}`).join('\n'),
    names,
  };
}

/**
 * Follows symbolic links: a mounted ConfigMap exchanges the link, not the file. Synchronous, because a thousand files
 * each two seconds take 5 ms of processor, and 22 ms by way of the thread pool.
 */
function fileMark(path: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(':');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unreadable';
  }
}

/** The files one after the other, so that a thousand of them are not in memory twice. */
export async function readTexts(directory: string, names: readonly string[]): Promise<Map<string, FileText>> {
  const texts = new Map<string, FileText>();
  for (const name of names) texts.set(name, await readText(join(directory, name)));
  return texts;
}

async function readText(path: string): Promise<FileText> {
  try {
    const status = await stat(path);
    if (!status.isFile()) return { unreadable: 'is not a regular file' };
    if (status.size > MAX_FILE_BYTES) return { unreadable: `is larger than ${MAX_FILE_BYTES} bytes` };
    return { text: await readFile(path, 'utf8') };
  } catch (error) {
    return { unreadable: `cannot be read: ${(error as Error).message}` };
  }
}
