// Are all promises kept in a few worlds, and can each world be had again? `npm run simulate` runs ten thousand.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, it } from 'node:test';
import { makeAuthorityPool, type AuthorityPool } from './authority-pool.ts';
import { mutated } from './build-worker.ts';
import { FAULTS } from './faults.ts';
import { REQUEST_INVARIANTS, UNTOUCHED, WRITE_INVARIANTS } from './invariants.ts';
import { LIES } from './hostile.ts';
import { MUTATIONS } from './mutations.ts';
import { ROTATION_INVARIANTS } from './rotation-watch.ts';
import { runSeed } from './run-seed.ts';

const RUNS = 5;
/** A rotation is led in its world. */
const LED_SEED = 19;

describe('the simulation', () => {
  let pool: AuthorityPool;
  before(async () => {
    pool = await makeAuthorityPool();
  });

  it('keeps every promise in worlds full of faults', async () => {
    let writes = 0;
    for (let seed = 1; seed <= RUNS; seed++) {
      const result = await runSeed(seed, { pool, isTold: false });
      assert.deepEqual(result.violations, [], `npm run simulate -- --seed ${seed}`);
      writes += result.writes;
    }
    assert.ok(writes > 10 * RUNS, 'the brokers had something to do');
  });

  it('tells the same story of the same seed, whatever the bytes of the certificates', async () => {
    const other = await makeAuthorityPool();
    const { story } = await runSeed(LED_SEED, { pool, isTold: true });
    assert.ok(story.some((line) => line.includes('leads a rotation')));
    assert.deepEqual((await runSeed(LED_SEED, { pool: other, isTold: true })).story, story);
  });

  for (const mutation of MUTATIONS) {
    it(`can make a product that ${mutation.does}`, () => {
      assert.ok(mutated(mutation).length > 0);
    });
  }

  it('is described row by row', () => {
    const page = readFileSync(new URL('../../docs/simulation.md', import.meta.url), 'utf8');
    const rows = [
      ...FAULTS,
      ...WRITE_INVARIANTS,
      ...REQUEST_INVARIANTS,
      UNTOUCHED,
      ...Object.values(ROTATION_INVARIANTS),
      ...LIES,
    ].map(({ id }) => id);
    assert.deepEqual(
      rows.filter((id) => !page.includes(id)),
      [],
    );
  });
});
