// Does src/spire/gen hold what proto/ says? Writes it; with --check only compares and names the files that differ.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const committedFolder = join(root, 'src/spire/gen');
const binFolder = join(root, 'node_modules/.bin');

/** Generates into `folder`; ends the program with buf's own words when it fails. */
function generateInto(folder) {
  const generation = spawnSync(join(binFolder, 'buf'), ['generate', '--output', folder], {
    cwd: join(root, 'proto'),
    env: { ...process.env, PATH: `${binFolder}${delimiter}${process.env.PATH}` },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (generation.status !== 0) {
    console.error('buf generate failed. Is it installed? Try: npm ci');
    process.exit(1);
  }
}

/** Every file below `folder` by its relative path. */
function filesIn(folder) {
  const paths = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  return new Map(paths.map((path) => [path.slice(folder.length + 1), readFileSync(path, 'utf8')]));
}

/** The relative paths that are missing, superfluous or different in `actual`, sorted. */
function differences(expected, actual) {
  const paths = new Set([...expected.keys(), ...actual.keys()]);
  return [...paths].filter((path) => expected.get(path) !== actual.get(path)).sort();
}

if (process.argv.includes('--check')) {
  const folder = mkdtempSync(join(tmpdir(), 'fedbroker-proto-'));
  try {
    generateInto(folder);
    const differing = differences(filesIn(folder), filesIn(committedFolder));
    if (differing.length > 0) {
      console.error('The generated code is not what proto/ says. Run "npm run proto" and commit:');
      for (const path of differing) console.error(`  src/spire/gen/${path}`);
      process.exitCode = 1;
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
} else {
  rmSync(committedFolder, { recursive: true, force: true });
  generateInto(committedFolder);
}
