// How fast, how small, how quiet is the broker? `npm run -s bench [-- [--this-node] propagation | steady-state | endpoints | entries | parsing …]`
//
// One JSON object on stdout, what is going on on stderr. Exit 1 when a target is missed, 2 for a wrong argument.
import { spawnSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { delimiter, dirname } from 'node:path';
import { buildParts } from '../stack/build-parts.ts';
import { PARTS, programPath } from '../stack/parts.ts';
import { productVersion } from '../../src/version.ts';
import { measureEndpoints } from './endpoint-load.ts';
import { measureEntryUpdates } from './entry-updates.ts';
import { measureParsing } from './parse.ts';
import { measurePropagation } from './propagation.ts';
import { measureSteadyState } from './steady-state.ts';
import { judgeTargets, type BenchReport } from './targets.ts';

/** Without it all is measured with the Node of the image, whichever runs this program. */
const THIS_NODE = '--this-node';

/** One after the other, so that none disturbs another. */
const MEASUREMENTS: Readonly<Record<string, () => Promise<BenchReport>>> = {
  propagation: async () => ({ propagation: await measurePropagation() }),
  // Side by side: each broker is counted for itself, and both have time enough.
  'steady-state': async () => ({
    steadyState: await Promise.all([measureSteadyState('Holding'), measureSteadyState('Plain')]),
  }),
  endpoints: async () => ({ endpoints: await measureEndpoints() }),
  entries: async () => ({ entryUpdates: await measureEntryUpdates() }),
  parsing: async () => ({ parsing: await measureParsing() }),
};

process.exitCode = await bench(process.argv.slice(2));

/** The exit code. */
async function bench(args: readonly string[]): Promise<number> {
  const wanted = args.filter((arg) => arg !== THIS_NODE);
  const unknown = wanted.filter((name) => !(name in MEASUREMENTS));
  if (unknown.length > 0) {
    tell(`no measurement is named ${unknown.join(', ')}; there are ${Object.keys(MEASUREMENTS).join(', ')}`);
    return 2;
  }
  await buildParts(tell);
  if (!args.includes(THIS_NODE)) return benchWithImageNode(wanted);
  // The broker is measured as the one file that is installed.
  const build = spawnSync(process.execPath, ['scripts/build.mjs'], { stdio: ['ignore', process.stderr, 'inherit'] });
  if (build.status !== 0) return 1;

  let report: BenchReport = {};
  let allMeasured = true;
  for (const [name, measure] of Object.entries(MEASUREMENTS)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    tell(`${name} ...`);
    const startMs = performance.now();
    try {
      report = { ...report, ...(await measure()) };
      tell(`${name}: ${((performance.now() - startMs) / 1000).toFixed(0)} s`);
    } catch (error) {
      // What was measured before it, for ten minutes perhaps, is printed all the same.
      allMeasured = false;
      tell(`${name}: FAILED: ${String(error)}`);
    }
  }
  const targets = judgeTargets(report);
  console.log(JSON.stringify({ ...circumstances(), ...report, targets }, undefined, 2));
  for (const { target, limit, measured, met } of targets) {
    tell(`${met ? 'met   ' : 'MISSED'}  ${target}: ${measured} (${limit})`);
  }
  return allMeasured && targets.every(({ met }) => met) ? 0 : 1;
}

/** The exit code of this program, run by that Node. It is the first in PATH too: the broker starts by its own first line. */
function benchWithImageNode(wanted: readonly string[]): number {
  const node = programPath('imageNode', 'node');
  const { status } = spawnSync(node, [...process.execArgv, import.meta.filename, THIS_NODE, ...wanted], {
    stdio: 'inherit',
    env: { ...process.env, PATH: [dirname(node), process.env['PATH']].join(delimiter) },
  });
  return status ?? 1;
}

/** What the numbers depend on. */
function circumstances() {
  return {
    measuredAt: new Date().toISOString(),
    version: productVersion(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    processors: { model: cpus()[0]?.model ?? 'unknown', count: cpus().length },
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    besideUs: [PARTS.spire.name, PARTS.oracle.name],
  };
}

function tell(line: string): void {
  console.error(line);
}
