// How is the program made into the one file that is installed? dist/fedbroker.mjs needs Node and nothing else.
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const outfile = join(root, 'dist/fedbroker.mjs');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

// Express and grpc-js are CommonJS: they call require, which an ES module does not have.
const banner = [
  '#!/usr/bin/env node',
  "import { createRequire as fedbrokerCreateRequire } from 'node:module';",
  'const require = fedbrokerCreateRequire(import.meta.url);',
].join('\n');

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
  keepNames: true,
  metafile: true,
  logLevel: 'warning',
});
chmodSync(outfile, 0o755);
const { bytes } = metafile.outputs['dist/fedbroker.mjs'];
console.log(`dist/fedbroker.mjs  version ${version}, ${(bytes / 2 ** 20).toFixed(1)} MiB`);
