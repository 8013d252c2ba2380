// What do the real SPIRE Server and the embedded one have in common? (one suite, run against both)
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { describeAuthorities } from './authority-contract.ts';
import { describeBundles } from './bundle-contract.ts';
import { openSubject, type RunningSpire, type Subject } from './contract-subject.ts';
import { describeEntries } from './entry-contract.ts';
import { describeRelationships } from './relationship-contract.ts';
import { describeSvids } from './svid-contract.ts';

/** `start` gives a fresh server that holds nothing; the suite stops it. */
export function describeSpireServer(name: string, start: () => Promise<RunningSpire>): void {
  describe(name, () => {
    let running: RunningSpire | undefined;
    let opened: Subject | undefined;
    const subject = (): Subject => opened!;

    before(async () => {
      running = await start();
      opened = openSubject(running);
    });
    after(async () => {
      opened?.close();
      await running?.stop();
    });

    it('says that it is serving', async () => {
      assert.equal(await subject().spire.isServing(), true);
    });
    describeBundles(subject);
    describe('entries', () => {
      describeEntries(subject);
    });
    describe('federation relationships', () => {
      describeRelationships(subject);
    });
    describe('SVIDs', () => {
      describeSvids(subject);
    });
    describe('local authorities', () => {
      describeAuthorities(subject);
    });
  });
}
