// What does the audit trail need of the file system? The calls of node:fs/promises, so that a test can make each fail.
import { open, readdir, readlink, rename, symlink, unlink, type FileHandle as NodeFileHandle } from 'node:fs/promises';

export type FileHandle = Pick<NodeFileHandle, 'read' | 'write' | 'stat' | 'truncate' | 'datasync' | 'sync' | 'close'>;

export interface FileAccess {
  readonly open: (path: string, flags: string, mode?: number) => Promise<FileHandle>;
  readonly readdir: (path: string) => Promise<string[]>;
  readonly readlink: (path: string) => Promise<string>;
  readonly rename: (from: string, to: string) => Promise<void>;
  readonly symlink: (target: string, path: string) => Promise<void>;
  readonly unlink: (path: string) => Promise<void>;
}

export const nodeFiles: FileAccess = { open, readdir, readlink, rename, symlink, unlink };

export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}
