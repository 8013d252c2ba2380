// Do the tests pass that run against real SPIRE, Envoy and Kubernetes? `npm run test:stack [-- [--long] <part of a path> …]`
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { register } from 'tsx/esm/api';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Two servers and two agents are about half a gigabyte, and rotations wait more than they compute. */
const FILES_AT_ONCE = 2;
/** A safety net for a test file that hangs; the runner then ends it, and it ends what it started. */
const FILE_TIMEOUT_MS = 15 * 60_000;
const TOTALS = ['tests', 'pass', 'fail', 'cancelled', 'skipped', 'todo'];

/** What has been shortened takes its real time: minutes. */
const LONG = '--long';
const options = process.argv.slice(2).filter((argument) => argument.startsWith('-') && argument !== LONG);
const isLong = process.argv.includes(LONG);
const filters = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const workFolder = mkdtempSync(join(tmpdir(), 'fedbroker-stack-tests-'));
try {
  process.exitCode = await runTests();
} finally {
  rmSync(workFolder, { recursive: true, force: true });
}

/** The exit code. */
async function runTests() {
  const files = testFiles();
  if (files.length === 0) {
    console.error(`No test file matches ${filters.join(' ')}; the files are test/stack/*.test.ts.`);
    return 1;
  }
  if (!(await haveParts())) return 1;
  // The broker is tested as the one file that is installed.
  if (spawnSync(process.execPath, ['scripts/build.mjs'], { cwd: root, stdio: 'inherit' }).status !== 0) return 1;

  const startMs = performance.now();
  const tapFile = join(workFolder, 'results.tap');
  const reporters = ['--test-reporter=spec', '--test-reporter-destination=stdout'];
  reporters.push('--test-reporter=tap', `--test-reporter-destination=${tapFile}`);
  const limits = [`--test-concurrency=${FILES_AT_ONCE}`, `--test-timeout=${FILE_TIMEOUT_MS}`];
  const runner = ['--import', 'tsx', '--test', ...limits, ...reporters, ...options, ...files];
  const env = { ...process.env, ...(isLong && { STACK_LONG: '1' }) };
  const { status } = spawnSync(process.execPath, runner, { cwd: root, stdio: 'inherit', env });
  console.log(`${totals(tapFile)}, seconds ${((performance.now() - startMs) / 1000).toFixed(0)}`);
  return status === 0 ? 0 : 1;
}

/** Paths relative to the project, sorted. */
function testFiles() {
  return readdirSync(join(root, 'test/stack'))
    .map((name) => `test/stack/${name}`)
    .filter((path) => path.endsWith('.test.ts'))
    .filter((path) => filters.length === 0 || filters.some((filter) => path.includes(filter)))
    .sort();
}

/** Builds what is missing; prints why when a part cannot be had. */
async function haveParts() {
  register();
  const { buildParts, PartError } = await import('../test/stack/build-parts.ts');
  try {
    await buildParts(console.log);
    return true;
  } catch (error) {
    if (!(error instanceof PartError)) throw error;
    console.error(error.message);
    return false;
  }
}

/** The runner's own totals on one line. */
function totals(tapFile) {
  const tap = readFileSync(tapFile, 'utf8');
  const counts = TOTALS.map((name) => `${name} ${new RegExp(`^# ${name} (\\d+)$`, 'm').exec(tap)?.[1] ?? '?'}`);
  return counts.join(', ');
}
