// Where do a test's logs, sockets, keys and data stores go?
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cleanup } from './cleanup.ts';

/**
 * A new folder that the cleanup removes, with a path short enough for Unix sockets in it (107 bytes at most on Linux).
 * With KEEP_STACK_FOLDERS=1 it stays, for a look at the logs of a test that failed.
 */
export function tempFolder(cleanup: Cleanup, name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `fb-${name.slice(0, 24)}-`));
  cleanup.add(() => {
    if (process.env['KEEP_STACK_FOLDERS'] === '1') console.log(`kept: ${folder}`);
    else rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}
