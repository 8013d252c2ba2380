// When is a peer asked again? (SPIFFE Federation §4.1, §6.2)
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nextFetchDelayMs, refreshIntervalSeconds, type RefreshState } from '../../src/federation/refresh-schedule.ts';

const limits = { minSeconds: 15, maxSeconds: 300, defaultSeconds: 300, jitter: 0.1 };

describe('nextFetchDelayMs', () => {
  const rows: readonly (readonly [string, Partial<RefreshState>, number])[] = [
    ['after the hint', { hintSeconds: 60 }, 60_000],
    ['after the default when there is no hint', { hintSeconds: undefined }, 300_000],
    ['not more often than the floor', { hintSeconds: 1 }, 15_000],
    ['not more often than the floor, also for a hint of 0', { hintSeconds: 0 }, 15_000],
    ['not less often than the ceiling', { hintSeconds: 31_536_000 }, 300_000],
    ['up to a tenth earlier', { hintSeconds: 60, random: 0 }, 54_000],
    ['up to a tenth later', { hintSeconds: 60, random: 0.9999999 }, 66_000],
    ['almost at once when the endpoint holds its answers', { waits: true }, 100],
    ['after the floor when the first attempt failed', { failedAttempts: 1 }, 15_000],
    ['twice as long after each failure', { failedAttempts: 3 }, 60_000],
    ['never longer than the interval while it fails', { failedAttempts: 1000 }, 300_000],
    ['soon after the connection of a held answer broke', { waits: true, failedAttempts: 1 }, 1_000],
    ['ever later when it does not come back', { waits: true, failedAttempts: 6 }, 32_000],
  ];
  for (const [sentence, changes, expectedMs] of rows) {
    it(`asks ${sentence}`, () => {
      const state = { limits, hintSeconds: 300, waits: false, failedAttempts: 0, random: 0.5, ...changes };
      assert.equal(nextFetchDelayMs(state), expectedMs);
    });
  }

  it('keeps a hint within the limits', () => {
    assert.deepEqual(
      [undefined, 5, 100, 5000].map((hint) => refreshIntervalSeconds(hint, limits)),
      [300, 15, 100, 300],
    );
  });
});
