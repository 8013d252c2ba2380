// What do a real kube-apiserver and the fake one have in common? (one suite, run against both)
import { after, before, describe } from 'node:test';
import { describeApplies } from './kube-apply-contract.ts';
import { describeDeletions } from './kube-deletion-contract.ts';
import { describeReads } from './kube-read-contract.ts';
import { openSubject, type RunningApi, type Subject } from './kube-subject.ts';
import { describeWatches } from './kube-watch-contract.ts';
import { describeWrites } from './kube-write-contract.ts';

/** `start` gives a server that holds no Beacons; the suite stops it. */
export function describeApiServer(name: string, start: () => Promise<RunningApi>): void {
  describe(name, () => {
    let running: RunningApi | undefined;
    let opened: Subject | undefined;
    const subject = (): Subject => opened!;

    before(async () => {
      running = await start();
      opened = await openSubject(running);
    });
    after(async () => {
      opened?.close();
      await running?.stop();
    });

    describe('reading', () => {
      describeReads(subject);
    });
    describe('writing', () => {
      describeWrites(subject);
    });
    describe('server-side apply', () => {
      describeApplies(subject);
    });
    describe('deleting', () => {
      describeDeletions(subject);
    });
    describe('watching', () => {
      describeWatches(subject);
    });
  });
}
