// `npm run simulate`: do all promises hold in thousands of worlds? With `--seed N`: what happens in this one?
import { parseArgs } from 'node:util';
import { makeAuthorityPool } from './authority-pool.ts';
import { runSeed } from './run-seed.ts';

const { values } = parseArgs({ options: { seed: { type: 'string' }, runs: { type: 'string' } } });
const pool = await makeAuthorityPool();
if (values.seed !== undefined) {
  const { story, violations } = await runSeed(Number(values.seed), { pool, isTold: true });
  console.log(story.join('\n'));
  console.log(violations.length === 0 ? 'every promise was kept' : `${violations.length} promises were broken`);
} else {
  const started = process.cpuUsage();
  const runs = Number(values.runs ?? 200);
  let bad = 0;
  for (let seed = 1; seed <= runs; seed++) {
    const { violations } = await runSeed(seed, { pool, isTold: false });
    if (violations.length > 0 && bad++ < 15) console.log(seed, violations.slice(0, 2).map(({ id, atMs, message }) => `${atMs} ${id}: ${message}`).join('\n   '));
  }
  const { user, system } = process.cpuUsage(started);
  console.log(`${runs} runs, ${bad} bad, ${(user + system) / 1000 / runs} ms each`);
}
