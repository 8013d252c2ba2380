// How fast, how small, how quiet is the broker? `npm run -s bench [-- propagation | steady-state | endpoints | entries | parsing …]`
//
// One JSON object on stdout, what is going on on stderr. Exit 1 when a target is missed, 2 for a wrong argument.
import { spawnSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { buildParts } from '../stack/build-parts.ts';
import { PARTS } from '../stack/parts.ts';
import { productVersion } from '../../src/version.ts';
import { measureEndpoints } from './endpoint-load.ts';
import { measureEntryUpdates } from './entry-updates.ts';
import { measureParsing } from './parse.ts';
import { measurePropagation } from './propagation.ts';
import { measureSteadyState } from './steady-state.ts';
import { judgeTargets, type BenchReport } from './targets.ts';

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
async function bench(wanted: readonly string[]): Promise<number> {
  const unknown = wanted.filter((name) => !(name in MEASUREMENTS));
  if (unknown.length > 0) {
    tell(`no measurement is named ${unknown.join(', ')}; there are ${Object.keys(MEASUREMENTS).join(', ')}`);
    return 2;
  }
  await buildParts(tell);
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
