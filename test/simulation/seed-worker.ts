// What does a worker process of the simulation do? It runs the seeds that it is handed, and tells of each.
import { makeAuthorityPool } from './authority-pool.ts';
import { runSeed } from './run-seed.ts';
import type { Violation } from './story.ts';

export interface WorkerTells {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly writes: number;
  readonly faults: number;
}

const pool = await makeAuthorityPool();
process.on('message', (seeds: readonly number[]) => {
  void (async () => {
    for (const seed of seeds) {
      const { violations, writes, faults } = await runSeed(seed, { pool, isTold: false });
      process.send?.({ seed, violations, writes, faults } satisfies WorkerTells);
    }
    process.send?.('Done');
  })();
});
process.send?.('Done');
