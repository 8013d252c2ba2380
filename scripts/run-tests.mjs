// Do the tests pass, and do they cover the parts that decide about trust? `npm test [-- <file or part of its path> …]`
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** They need real parts or much time, and have commands of their own. */
const OTHER_SUITES = ['test/stack/', 'test/bench/'];
const COVERED_FOLDERS = ['src/bundle', 'src/federation', 'src/bundle-endpoint', 'src/spire'];
const GENERATED = 'src/spire/gen';
const MIN_LINES_PERCENT = 90;
const TOTALS = ['tests', 'pass', 'fail', 'cancelled', 'skipped', 'todo'];

const options = process.argv.slice(2).filter((argument) => argument.startsWith('-'));
const filters = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const workFolder = mkdtempSync(join(tmpdir(), 'fedbroker-tests-'));
try {
  process.exitCode = buildProgram() && runTests() ? 0 : 1;
} finally {
  rmSync(workFolder, { recursive: true, force: true });
}

/** Tests of whole commands run the program that is installed. */
function buildProgram() {
  const build = spawnSync(process.execPath, ['scripts/build.mjs'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return build.status === 0;
}

/** Whether they pass. */
function runTests() {
  const files = testFiles();
  if (files.length === 0) {
    console.error(`No test file matches ${filters.join(' ')}; the files are test/**/*.test.ts.`);
    return false;
  }
  // A part of the tests covers a part of the code: the floor is for all of them.
  const withCoverage = filters.length === 0 && options.length === 0;
  const tapFile = join(workFolder, 'results.tap');
  const runner = ['--import', 'tsx', '--test', '--test-reporter=spec', '--test-reporter-destination=stdout'];
  // Node leaves one processor idle, which of two is half of them; tests that wait leave theirs to one more.
  runner.push(`--test-concurrency=${availableParallelism() + 1}`);
  runner.push('--test-reporter=tap', `--test-reporter-destination=${tapFile}`, ...options, ...files);
  const command = withCoverage ? [...coverageCommand(), process.execPath, ...runner] : runner;
  const run = spawnSync(process.execPath, command, { cwd: root, stdio: 'inherit' });
  const testsPassed = run.status === 0;

  const isCovered = !withCoverage || checkCoverage();
  console.log(totals(tapFile));
  return testsPassed && isCovered;
}

/** Paths relative to the project, sorted. */
function testFiles() {
  return readdirSync(join(root, 'test'), { recursive: true })
    .map((path) => `test/${path.split(sep).join('/')}`)
    .filter((path) => path.endsWith('.test.ts') && !OTHER_SUITES.some((folder) => path.startsWith(folder)))
    .filter((path) => filters.length === 0 || filters.some((filter) => path.includes(filter)))
    .sort();
}

function coverageCommand() {
  const c8 = join(root, 'node_modules/c8/bin/c8.js');
  const output = [
    '--reporter=json-summary',
    `--reports-dir=${workFolder}`,
    `--temp-directory=${join(workFolder, 'v8')}`,
  ];
  return [c8, '--all', '--src=src', '--include=src/**/*.ts', `--exclude=${GENERATED}/**`, ...output];
}

/** Prints a line per folder; false when one is below the floor. */
function checkCoverage() {
  const summary = JSON.parse(readFileSync(join(workFolder, 'coverage-summary.json'), 'utf8'));
  let isCovered = true;
  for (const folder of COVERED_FOLDERS) {
    const files = Object.entries(summary)
      .map(([path, { lines }]) => ({ path: relative(root, path).split(sep).join('/'), lines }))
      .filter(({ path, lines }) => path.startsWith(`${folder}/`) && (lines.covered > 0 || hasCode(path)));
    const total = files.reduce((sum, { lines }) => sum + lines.total, 0);
    const covered = files.reduce((sum, { lines }) => sum + lines.covered, 0);
    if (total === 0) {
      console.log(`lines covered  ${folder.padEnd(20)}      –  (no code)`);
      continue;
    }
    const percent = (100 * covered) / total;
    const isEnough = percent >= MIN_LINES_PERCENT;
    isCovered &&= isEnough;
    console.log(
      `lines covered  ${folder.padEnd(20)} ${percent.toFixed(1).padStart(5)} %${isEnough ? '' : belowFloor(files)}`,
    );
  }
  return isCovered;
}

/** A file of nothing but types is never loaded, which looks like a file without tests. */
function hasCode(path) {
  return transformSync(readFileSync(join(root, path), 'utf8'), { loader: 'ts', minify: true }).code.trim() !== '';
}

function belowFloor(files) {
  const worst = [...files]
    .sort((a, b) => b.lines.total - b.lines.covered - (a.lines.total - a.lines.covered))
    .slice(0, 3);
  const named = worst.map(({ path, lines }) => `${path} (${lines.total - lines.covered} lines)`);
  return `  below ${MIN_LINES_PERCENT} %; most uncovered: ${named.join(', ')}`;
}

/** The runner's own totals on one line. */
function totals(tapFile) {
  const tap = readFileSync(tapFile, 'utf8');
  const counts = TOTALS.map((name) => `${name} ${new RegExp(`^# ${name} (\\d+)$`, 'm').exec(tap)?.[1] ?? '?'}`);
  return counts.join(', ');
}
