// Is every change of a written chain found, whatever byte or line it is made in?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GENESIS, headOf, LineFault, readRecord } from '../../src/audit/chain.ts';
import type { AuditHead } from '../../src/federation/audit-trail.ts';
import { chainOf, eventsOf } from './samples.ts';

const LINE_FEED = 0x0a;

/** The head that the bytes lead to; undefined when they are no chain. What follows the last line feed is no record. */
function headAfter(bytes: Buffer, from: AuditHead): AuditHead | undefined {
  let head = from;
  let start = 0;
  for (let end = bytes.indexOf(LINE_FEED); end !== -1; end = bytes.indexOf(LINE_FEED, start)) {
    try {
      head = headOf(readRecord(bytes.subarray(start, end), head));
    } catch (error) {
      if (error instanceof LineFault) return undefined;
      throw error;
    }
    start = end + 1;
  }
  return start === bytes.length ? head : undefined;
}

function isSame(a: AuditHead | undefined, b: AuditHead): boolean {
  return a?.hash === b.hash && a.record === b.record;
}

interface Tried {
  readonly changes: number;
  readonly undetected: number;
}

/** A changed line is judged with the head it must lead to, which the next line names: the other lines are the same. */
function changeEachByte(count: number, others: (byte: number) => Iterable<number>): Tried {
  let [changes, undetected] = [0, 0];
  let previous = GENESIS;
  for (const { line, head } of chainOf(eventsOf(count))) {
    const changed = Buffer.from(line);
    for (const [at, original] of line.entries()) {
      for (const other of others(original)) {
        changed[at] = other;
        changes += 1;
        if (isSame(headAfter(changed, previous), head)) undetected += 1;
      }
      changed[at] = original;
    }
    previous = head;
  }
  return { changes, undetected };
}

function* flippedBits(byte: number): Generator<number> {
  for (let bit = 1; bit < 256; bit *= 2) yield byte ^ bit;
}

function* allOthers(byte: number): Generator<number> {
  for (let other = 0; other < 256; other++) if (other !== byte) yield other;
}

describe('a chain of records', () => {
  it('leads from the beginning to its head', () => {
    const sealed = chainOf(eventsOf(300));
    const head = headAfter(Buffer.concat(sealed.map(({ line }) => line)), GENESIS);
    assert.ok(isSame(head, sealed.at(-1)!.head));
  });

  it('shows each flipped bit of 300 records', () => {
    const { changes, undetected } = changeEachByte(300, flippedBits);
    assert.ok(changes > 500_000);
    assert.equal(undetected, 0);
  });

  it('shows each byte of 4 records that is replaced by any other', () => {
    const { changes, undetected } = changeEachByte(4, allOthers);
    assert.ok(changes > 250_000);
    assert.equal(undetected, 0);
  });
});
