// Does a remembered verdict hold only while nothing has changed that it depends on?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RootIndexer } from '../../src/bundle/known-roots.ts';
import type { AcceptanceInput } from '../../src/federation/acceptance.ts';
import { judgeOnce } from '../../src/federation/judge-once.ts';
import { bundleOf, documentOf, EAST, NOW, peerOf, WEST } from './samples.ts';

describe('judging a document once', () => {
  const knownRoots = new RootIndexer().index(bundleOf(EAST), []);
  const inputOf = (changes: Partial<AcceptanceInput> = {}): AcceptanceInput => ({
    peer: peerOf(WEST),
    content: documentOf(bundleOf(WEST)),
    held: undefined,
    knownRoots,
    maxRoots: 100,
    now: NOW,
    ...changes,
  });
  const after = (ms: number) => new Date(NOW.getTime() + ms);

  it('gives the same verdict for the same values, without reading a certificate again', () => {
    const input = inputOf();
    const verdict = judgeOnce(input);
    assert.equal(verdict.verdict, 'accepted');
    assert.equal(judgeOnce({ ...input, now: after(59_999) }), verdict);
  });

  it('judges another document for itself', () => {
    const input = inputOf();
    assert.notEqual(judgeOnce({ ...input, content: documentOf(bundleOf(WEST)) }), judgeOnce(input));
  });

  const changes: Readonly<Record<string, [Partial<AcceptanceInput>, string]>> = {
    'what SPIRE holds': [{ held: bundleOf(WEST, [0], { sequenceNumber: 8n }) }, 'refused SequenceRollback'],
    'whose roots are whose': [{ knownRoots: new RootIndexer().index(bundleOf(WEST), []) }, 'refused'],
    'the limit of roots': [{ maxRoots: 0 }, 'refused'],
    'the declaration of the peer': [{ peer: peerOf(WEST, { acceptDigest: 'x' }) }, 'accepted'],
  };
  for (const [what, [change, expected]] of Object.entries(changes)) {
    it(`judges again when another value says ${what}`, () => {
      const input = inputOf();
      const before = judgeOnce(input);
      const verdict = judgeOnce({ ...input, ...change });
      assert.notEqual(verdict, before);
      const reason = verdict.verdict === 'refused' ? `refused ${verdict.reason}` : verdict.verdict;
      assert.ok(reason.startsWith(expected), reason);
    });
  }

  it('judges again after a minute, and when the clock was set back: a root may have expired', () => {
    const input = inputOf();
    const first = judgeOnce(input);
    const second = judgeOnce({ ...input, now: after(60_000) });
    assert.notEqual(second, first);
    assert.notEqual(judgeOnce({ ...input, now: after(59_000) }), second);
    const late = judgeOnce({ ...input, now: new Date('2091-01-01T00:00:00Z') });
    assert.deepEqual(
      late.notices.map(({ id }) => id),
      ['RootExpired'],
    );
  });
});
