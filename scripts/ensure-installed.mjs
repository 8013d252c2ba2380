// Are the packages of the lock file installed? Installs them when node_modules is missing or older than the lock file.
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Modification time in milliseconds, or undefined when there is no such file. */
function modifiedAtMs(path) {
  return statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs;
}

const installedAtMs = modifiedAtMs('node_modules/.package-lock.json');
const lockedAtMs = modifiedAtMs('package-lock.json');
if (installedAtMs === undefined || (lockedAtMs !== undefined && installedAtMs < lockedAtMs)) {
  console.error('Installing the packages of package-lock.json (npm ci) ...');
  // npm runs with its output on our stderr, so that stdout stays the program's own (for example one JSON object).
  const install = spawnSync('npm', ['ci', '--no-progress', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (install.status !== 0) {
    console.error('npm ci failed, see above. The packages come from the npm registry: check that it can be reached.');
    process.exit(install.status ?? 1);
  }
}
