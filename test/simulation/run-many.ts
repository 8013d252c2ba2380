// How are thousands of seeds run on all processors? Workers are handed a few seeds at a time, until all are done.
import { fork, type ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import type { WorkerTells } from './seed-worker.ts';

export interface ManyRuns {
  readonly workerPath: string;
  readonly firstSeed: number;
  readonly runs: number;
  /** No seed is handed out any more after the first in which a promise is broken. */
  readonly untilBroken: boolean;
  readonly onRun: (tells: WorkerTells) => void;
}

const SEEDS_AT_ONCE = 10;

/** A world lives for less than the default of 16 MB of young values: with more, a sixth of the time is saved. */
const WORKER_FLAGS = ['--enable-source-maps', '--max-semi-space-size=64'];

/** Resolves when all that was handed out is done; rejects when a worker dies of anything else than a broken promise. */
export async function runMany({ workerPath, firstSeed, runs, untilBroken, onRun }: ManyRuns): Promise<void> {
  let nextSeed = firstSeed;
  const endSeed = firstSeed + runs;
  const take = () => {
    const seeds = Array.from({ length: Math.min(SEEDS_AT_ONCE, endSeed - nextSeed) }, (_, index) => nextSeed + index);
    nextSeed += seeds.length;
    return seeds;
  };
  const note = (tells: WorkerTells) => {
    if (untilBroken && tells.violations.length > 0) nextSeed = endSeed;
    onRun(tells);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, () => runWorker(workerPath, take, note)));
}

function runWorker(
  workerPath: string,
  take: () => readonly number[],
  note: (tells: WorkerTells) => void,
): Promise<void> {
  const worker: ChildProcess = fork(workerPath, { execArgv: WORKER_FLAGS });
  return new Promise((resolve, reject) => {
    let current: readonly number[] = [];
    worker.on('message', (message: WorkerTells | 'Done') => {
      if (message !== 'Done') {
        note(message);
        return;
      }
      current = take();
      if (current.length > 0) worker.send(current);
      else worker.disconnect();
    });
    worker.on('error', reject);
    worker.on('exit', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`a worker ended with ${code ?? 'a signal'} in one of the seeds ${current.join(', ')}`));
    });
  });
}
