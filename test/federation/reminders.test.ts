// Is an operator reminded in time of roots that end without a successor, and of content that waits for a word?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { remindersOf, type ReminderInput } from '../../src/federation/reminders.ts';
import { makeRoot } from '../fakes/fake-ca.ts';
import { bundleOf, WEST } from './samples.ts';

const START = new Date('2040-01-01T00:00:00Z');
const hour = (hours: number) => new Date(START.getTime() + hours * 3_600_000);
const rootOf = async (from: number, to: number) =>
  (await makeRoot(WEST, { notBefore: hour(from), notAfter: hour(to) })).der;

/** For 24 hours; the next one for 24 from noon on. */
const [FIRST, NEXT] = [await rootOf(0, 24), await rootOf(12, 36)];
const holding = (...x509Authorities: readonly Uint8Array[]) => bundleOf(WEST, [], { x509Authorities });

function reminders(changes: Partial<ReminderInput>) {
  return remindersOf({ name: 'west', held: undefined, evidence: [], now: START, ...changes });
}
const ids = (changes: Partial<ReminderInput>) => reminders(changes).map(({ id }) => id);

describe('a reminder that roots expire', () => {
  it('begins with the last sixth of the only root, and names the moment of its end', () => {
    assert.deepEqual(ids({ held: holding(FIRST), now: hour(19.9) }), []);
    const [reminder] = reminders({ held: holding(FIRST), now: hour(20) });
    assert.equal(reminder?.id, 'RootsExpire');
    assert.match(reminder.message, /expires at 2040-01-02T00:00:00\.000Z and no successor is held.*inspect west/);
  });

  it('is about the root that ends last, in whatever order they are', () => {
    for (const held of [holding(FIRST, NEXT), holding(NEXT, FIRST)]) {
      assert.deepEqual(ids({ held, now: hour(23) }), []);
      assert.deepEqual(ids({ held, now: hour(32) }), ['RootsExpire']);
    }
  });

  it('goes on after the end', () => {
    assert.deepEqual(ids({ held: holding(FIRST), now: hour(48) }), ['RootsExpire']);
  });

  it('is not given of a peer without roots, and passes over what is no certificate', () => {
    assert.deepEqual(ids({ held: holding(), now: hour(48) }), []);
    assert.deepEqual(ids({ held: holding(new Uint8Array([1, 2])), now: hour(48) }), []);
    assert.deepEqual(ids({ held: holding(new Uint8Array([1, 2]), FIRST), now: hour(20) }), ['RootsExpire']);
  });
});

describe('a reminder that held content waits', () => {
  const held = { state: 'Current', verdict: 'held', reason: 'DisjointRoots', firstSeenAt: START } as const;

  it('is given after an hour, with the reason', () => {
    assert.deepEqual(ids({ evidence: [held], now: hour(0.99) }), []);
    const [reminder] = reminders({ evidence: [held], now: hour(1) });
    assert.equal(reminder?.id, 'HeldContentWaits');
    assert.match(reminder.message, /held \(DisjointRoots\) since 2040-01-01T00:00:00\.000Z.*inspect west/);
  });

  it('is not given of what was decided, is gone, or is refused by a rule', () => {
    const others: readonly Partial<ReminderInput['evidence'][number]>[] = [
      { state: 'Rejected' },
      { state: 'Accepted' },
      { state: 'Past' },
      { verdict: 'refused' },
    ];
    for (const other of others) {
      const evidence = [{ ...held, ...other }];
      assert.deepEqual(ids({ evidence, now: hour(9) }), []);
    }
  });
});
