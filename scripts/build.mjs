// How is the program made into the one file that is installed? dist/fedbroker.mjs needs Node and nothing else.
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const outfile = join(root, 'dist/fedbroker.mjs');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

// A thousand peers live in 40 MiB of V8's heap. By its defaults V8 would let it grow to several times as much before it
// looks for garbage, and the C library would give each thread a heap of its own (mallopt(3)). Linux before 5.1 reads 127
// bytes of this line.
const interpreter = [
  '/usr/bin/env -S MALLOC_ARENA_MAX=1',
  'node --max-semi-space-size=1 --heap-growing-percent=15 --optimize-for-size --max-lazy',
].join(' ');

// Express and grpc-js are CommonJS: they call require, which an ES module does not have.
const banner = [
  `#!${interpreter}`,
  "import { createRequire as fedbrokerCreateRequire } from 'node:module';",
  'const require = fedbrokerCreateRequire(import.meta.url);',
].join('\n');

/**
 * Parts of packages that are evaluated or carried along, and that nothing of ours calls. What would call them fails
 * loudly: the stand-in has nothing in it.
 */
const NEVER_CALLED = [
  // Express reads no bodies and serves no files here: GET alone, and four answers made by us.
  { importer: /node_modules\/express\//, path: /^(body-parser|serve-static)$/ },
  // grpc-js loads it for channelz and ORCA, which are switched on by calls that we do not make.
  { importer: /node_modules\/@grpc\/grpc-js\//, path: /^@grpc\/proto-loader$/ },
  // Messages in fifty languages; English is imported beside them, by name.
  { importer: /node_modules\/zod\//, path: /\/locales\/index\.js$/ },
];

const leaveOutNeverCalled = {
  name: 'leave out what is never called',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /./ }, ({ path, importer }) =>
      NEVER_CALLED.some((row) => row.path.test(path) && row.importer.test(importer))
        ? { path, namespace: 'never-called' }
        : undefined,
    );
    onLoad({ filter: /./, namespace: 'never-called' }, () => ({ contents: 'module.exports = {};' }));
  },
};

rmSync(join(root, 'dist'), { recursive: true, force: true });
const { metafile } = await build({
  entryPoints: [join(root, 'src/main.ts')],
  absWorkingDir: root,
  outfile,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  banner: { js: banner },
  define: { FEDBROKER_VERSION: JSON.stringify(version) },
  // The licences of the packages inside, next to the program.
  legalComments: 'linked',
  sourcemap: 'linked',
  sourcesContent: false,
  // Node keeps the text of a program in memory: without spaces and comments it is half as long. Names stay, for stacks.
  minifyWhitespace: true,
  minifySyntax: true,
  minifyIdentifiers: true,
  keepNames: true,
  plugins: [leaveOutNeverCalled],
  metafile: true,
  logLevel: 'warning',
});
chmodSync(outfile, 0o755);
const { bytes } = metafile.outputs['dist/fedbroker.mjs'];
console.log(`dist/fedbroker.mjs  version ${version}, ${(bytes / 2 ** 20).toFixed(1)} MiB`);
