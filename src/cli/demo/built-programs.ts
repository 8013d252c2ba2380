// Which real programs has `npm run test:stack` built on this machine?
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Builds them all, and shows that they work. */
export const HOW_TO_BUILD = '"npm run test:stack -- demo-real" builds it from source (needs Go and gcc)';

export class BuiltPrograms {
  /** Where they are; a part's folder is its name and a digest. */
  readonly folder: string;

  /** `cacheFolder`: of this user, usually `~/.cache`. */
  constructor(cacheFolder: string) {
    this.folder = join(cacheFolder, 'fedbroker-stack');
  }

  /** The path of the newest; undefined when there is none. `part` is for example `spire`. */
  async find(part: string, program: string): Promise<string | undefined> {
    const folders = await readdir(this.folder).catch(() => []);
    const paths = folders
      .filter((name) => name.startsWith(`${part}-`) && !name.includes('.unfinished'))
      .map((name) => join(this.folder, name, program));
    const dated = await Promise.all(
      paths.map(async (path) => ({ path, builtAtMs: (await stat(path).catch(() => undefined))?.mtimeMs ?? 0 })),
    );
    const [newest] = dated.filter(({ builtAtMs }) => builtAtMs > 0).sort((a, b) => b.builtAtMs - a.builtAtMs);
    return newest?.path;
  }
}
