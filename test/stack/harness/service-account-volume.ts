// What does a pod find where its service account is mounted, and how does the kubelet renew it? (its AtomicWriter)
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface ServiceAccountFiles {
  readonly token: string;
  readonly 'ca.crt': string;
  readonly namespace: string;
}

export interface ServiceAccountVolume {
  readonly directory: string;
  /** All files change in the same instant: `..data` is a link, and becomes another one. */
  write(files: ServiceAccountFiles): void;
}

export function serviceAccountVolume(directory: string): ServiceAccountVolume {
  let written = 0;
  let current: string | undefined;
  return {
    directory,
    write(files) {
      written += 1;
      const next = `..${String(written).padStart(4, '0')}`;
      mkdirSync(join(directory, next), { recursive: true });
      for (const [name, text] of Object.entries<string>({ ...files })) {
        writeFileSync(join(directory, next, name), text, { mode: 0o600 });
        if (current === undefined) symlinkSync(join('..data', name), join(directory, name));
      }
      symlinkSync(next, join(directory, '..data_tmp'));
      renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
      if (current !== undefined) rmSync(join(directory, current), { recursive: true });
      current = next;
    },
  };
}
