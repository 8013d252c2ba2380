// How is the program made into the one file that is installed? dist/fedbroker.mjs needs Node and nothing else; what a
// broker never uses while it runs is in files beside it.
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const PROGRAM = 'dist/fedbroker.mjs';
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

// A thousand peers live in 32 MiB of V8's heap. By its defaults V8 would let it grow to several times as much before it
// looks for garbage, and make its space for young objects large. `--optimize-for-size` would make it smaller still, and
// lose optimized code at each collection: a fifth of the new connections a second. What runs often is optimized anyway:
// machine code of the rest, which Sparkplug makes between the interpreter and that, is 5 MiB that save no time.
// The C library would give each thread a heap of its own, and keep more and more of what is freed: with an option that
// is set its thresholds stay, and blocks of 128 KB are mapped on their own (mallopt(3)).
// Linux before 5.1 reads 127 bytes of this line.
const options = '--heap-growing-percent=30 --max-semi-space-size=2 --no-sparkplug';
const interpreter = `/usr/bin/env -S MALLOC_ARENA_MAX=1 MALLOC_TOP_PAD_=9999 node ${options}`;

// Express and grpc-js are CommonJS: they call require, which an ES module does not have.
const requireForCommonJs = [
  "import { createRequire as fedbrokerCreateRequire } from 'node:module';",
  'const require = fedbrokerCreateRequire(import.meta.url);',
].join('\n');

/**
 * Parts of packages that are evaluated or carried along, and that nothing of ours calls. What would call them fails
 * loudly: the stand-in has nothing in it.
 */
const NEVER_CALLED = [
  // Express reads no bodies, no nested queries and serves no files here: GET alone, and four answers made by us.
  { importer: /node_modules\/express\//, path: /^(body-parser|qs|send|serve-static)$/ },
  // The media types of 2,500 kinds of files: our answers name theirs in full.
  { importer: /node_modules\/mime-types\//, path: /^mime-db$/ },
  // What prom-client measures of the process by itself, and summaries; ours are gauges, counters and histograms.
  { importer: /node_modules\/prom-client\//, path: /^(@opentelemetry\/api|tdigest)$/ },
  // Logs are lines on stdout from this thread, and log.ts takes secrets out.
  { importer: /node_modules\/pino\//, path: /^(thread-stream|@pinojs\/redact)$/ },
  // grpc-js loads it for channelz and ORCA, which are switched on by calls that we do not make.
  { importer: /node_modules\/@grpc\/grpc-js\//, path: /^@grpc\/proto-loader$/ },
  // Messages in fifty languages; English is imported beside them, by name.
  { importer: /node_modules\/zod\//, path: /\/locales\/index\.js$/ },
];
/** Only the demo has a gRPC server: the embedded SPIRE. */
const NEVER_CALLED_BY_A_BROKER = [
  { importer: /node_modules\/@grpc\/grpc-js\//, path: /^\.\/(server|server-interceptors)$/ },
];

const leaveOut = (rows) => ({
  name: 'leave out what is never called',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /./ }, ({ path, importer }) =>
      rows.some((row) => row.path.test(path) && row.importer.test(importer))
        ? { path, namespace: 'never-called' }
        : undefined,
    );
    onLoad({ filter: /./, namespace: 'never-called' }, () => ({ contents: 'module.exports = {};' }));
  },
});

/**
 * What a broker that runs for months has no use for: files of their own, loaded when they are asked for. Node keeps the
 * text of a program, and reading it takes eight times as much memory, most of which stays with the process.
 */
const APART = [
  // A kubeconfig is read on an operator's own machine.
  {
    file: 'fedbroker-kubeconfig.mjs',
    entry: '@kubernetes/client-node/dist/config.js',
    imported: /client-node\/dist\/config\.js$/,
  },
  { file: 'fedbroker-demo.mjs', entry: './src/cli/demo/run-demo.ts', imported: /\/demo\/run-demo\.ts$/ },
];

const leaveApart = {
  name: 'leave what is seldom used in files of its own',
  setup({ onResolve }) {
    for (const { file, imported } of APART) {
      onResolve({ filter: imported }, ({ kind }) =>
        kind === 'entry-point' ? undefined : { path: `./${file}`, external: true },
      );
    }
  },
};

const common = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  format: 'esm',
  // cron requires luxon, we import it, and it has a file for each: its settings are to reach the one that cron uses.
  alias: { luxon: join(root, 'node_modules/luxon/build/node/luxon.js') },
  target: 'node20',
  define: { FEDBROKER_VERSION: JSON.stringify(version) },
  // The licences of the packages inside, next to the program.
  legalComments: 'linked',
  sourcemap: 'linked',
  sourcesContent: false,
  // Without spaces and comments the text is half as long. Names stay, for stacks: as they are, which takes less than to
  // give each function its name back (`keepNames`).
  minifyWhitespace: true,
  minifySyntax: true,
  metafile: true,
  logLevel: 'warning',
};
rmSync(join(root, 'dist'), { recursive: true, force: true });
const { metafile } = await build({
  ...common,
  plugins: [leaveOut([...NEVER_CALLED, ...NEVER_CALLED_BY_A_BROKER]), leaveApart],
  entryPoints: ['src/main.ts'],
  outfile: PROGRAM,
  banner: { js: `#!${interpreter}\n${requireForCommonJs}` },
});
for (const { file, entry } of APART) {
  await build({
    ...common,
    plugins: [leaveOut(NEVER_CALLED), leaveApart],
    entryPoints: [entry],
    outfile: `dist/${file}`,
    banner: { js: requireForCommonJs },
  });
}
chmodSync(join(root, PROGRAM), 0o755);
const { bytes } = metafile.outputs[PROGRAM];
console.log(`${PROGRAM}  version ${version}, ${(bytes / 2 ** 20).toFixed(1)} MiB`);
