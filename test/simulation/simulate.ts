// `npm run simulate`: are all promises kept in ten thousand worlds? `-- --seed N`: what happens in this one?
// `-- --mutations`: is each fault that is put into the product found? `--only TEXT`: those whose name has it.
import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { makeAuthorityPool } from './authority-pool.ts';
import { buildWorker } from './build-worker.ts';
import { Progress } from './progress.ts';
import { MUTATIONS, type Mutation } from './mutations.ts';
import { runMany } from './run-many.ts';
import { runSeed } from './run-seed.ts';
import type { WorkerTells } from './seed-worker.ts';
import { timeText } from './story.ts';

const DEFAULT_RUNS = 10_000;
/** A mutation that is not found in so many worlds is not found. */
const MUTATION_RUNS = 2_000;
const BROKEN_SHOWN = 10;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    runs: { type: 'string', default: String(DEFAULT_RUNS) },
    from: { type: 'string', default: '1' },
    mutations: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
  },
});

if (values.seed !== undefined) process.exitCode = await tellSeed(Number(values.seed));
else if (values.mutations) process.exitCode = await findMutations();
else process.exitCode = await simulate(Number(values.from), Number(values.runs));

async function tellSeed(seed: number): Promise<number> {
  const { story, violations } = await runSeed(seed, { pool: await makeAuthorityPool(), isTold: true });
  console.log([`seed ${seed}`, ...story].join('\n'));
  console.log(violations.length === 0 ? 'every promise was kept' : `${violations.length} promises were broken`);
  return violations.length === 0 ? 0 : 1;
}

async function simulate(firstSeed: number, runs: number): Promise<number> {
  const startedMs = performance.now();
  const progress = new Progress(runs);
  const broken: WorkerTells[] = [];
  await withWorker(undefined, (workerPath) =>
    runMany({
      ...{ workerPath, firstSeed, runs, untilBroken: false },
      onRun: (tells) => {
        progress.note(tells);
        if (tells.violations.length > 0) broken.push(tells);
      },
    }),
  );
  progress.end();
  for (const { seed, violations } of broken.slice(0, BROKEN_SHOWN)) {
    const [first] = violations;
    if (first === undefined) continue;
    console.log(`seed ${seed}: ${timeText(first.atMs).trim()}  ${first.id}: ${first.message}`);
    console.log(`  npm run simulate -- --seed ${seed}`);
  }
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
  console.log(
    `${runs} runs, ${progress.faults} faults, ${progress.writes} writes, ${broken.length} broken, ${seconds} s`,
  );
  return broken.length === 0 ? 0 : 1;
}

async function findMutations(): Promise<number> {
  let missed = 0;
  for (const mutation of MUTATIONS.filter(({ does }) => does.includes(values.only))) {
    let runs = 0;
    let found: WorkerTells | undefined;
    await withWorker(mutation, (workerPath) =>
      runMany({
        ...{ workerPath, firstSeed: 1, runs: MUTATION_RUNS, untilBroken: true },
        onRun: (tells) => {
          runs += 1;
          if (tells.violations.length > 0) found ??= tells;
        },
      }),
    );
    if (found === undefined) missed += 1;
    const how = found === undefined ? 'NOT FOUND' : `${found.violations[0]?.id ?? ''} in seed ${found.seed}`;
    console.log(`${how.padEnd(38)} after ${String(runs).padStart(4)} runs: ${mutation.does}`);
  }
  return missed === 0 ? 0 : 1;
}

async function withWorker(mutation: Mutation | undefined, use: (workerPath: string) => Promise<void>): Promise<void> {
  const workerPath = await buildWorker(mutation);
  try {
    await use(workerPath);
  } finally {
    rmSync(dirname(workerPath), { recursive: true });
  }
}
