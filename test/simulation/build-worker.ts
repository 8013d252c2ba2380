// How is the worker made into one file? Without the loader it takes two thirds of the time; a mutation goes in on the way.
import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type PluginBuild } from 'esbuild';
import type { Mutation } from './mutations.ts';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** Its path, in a folder of its own that is the caller's to remove. */
export async function buildWorker(mutation?: Mutation): Promise<string> {
  // Packages are found from where the file is.
  mkdirSync(join(ROOT, 'dist'), { recursive: true });
  const outfile = join(mkdtempSync(join(ROOT, 'dist/simulation-')), 'seed-worker.mjs');
  await build({
    entryPoints: [join(ROOT, 'test/simulation/seed-worker.ts')],
    ...{ outfile, bundle: true, packages: 'external', platform: 'node', format: 'esm', target: 'node20' },
    ...{ sourcemap: 'inline', logLevel: 'error' },
    plugins: [REMEMBERED_DOCUMENTS, ...(mutation === undefined ? [] : [pluginOf(mutation)])],
  });
  return outfile;
}

export function mutated({ file, find, replace }: Mutation): string {
  const parts = readFileSync(join(ROOT, file), 'utf8').split(find);
  if (parts.length !== 2) throw new Error(`${file} has "${find}" ${parts.length - 1} times, not once`);
  return parts.join(replace);
}

const REMEMBERED_DOCUMENTS = {
  name: 'remembered-documents',
  setup(builder: PluginBuild) {
    builder.onResolve({ filter: /\/bundle-document\.ts$/ }, ({ importer }) =>
      importer.endsWith('/broker/gather-peer.ts')
        ? { path: join(ROOT, 'test/simulation/remembered-documents.ts') }
        : undefined,
    );
  },
};

function pluginOf(mutation: Mutation) {
  const path = join(ROOT, mutation.file);
  return {
    name: 'mutation',
    setup(builder: PluginBuild) {
      builder.onLoad({ filter: /\.ts$/ }, (file) =>
        file.path === path ? { contents: mutated(mutation), loader: 'ts' } : undefined,
      );
    },
  };
}
