// Do fetches begin no faster than they may, and no more of them at once?
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { setImmediate as settle } from 'node:timers/promises';
import { paceFetches } from '../../src/bundle-endpoint/pace-fetches.ts';
import type { BundleAnswer, BundleSource } from '../../src/federation/ports.ts';
import { FakeClock } from '../fakes/fake-clock.ts';

const NOT_MODIFIED: BundleAnswer = { kind: 'NotModified', waitApplied: false };

interface Call {
  readonly name: string;
  readonly aborted: boolean;
  readonly answer: (answer: BundleAnswer) => void;
  readonly fail: (error: Error) => void;
}

describe('the pace of fetches', () => {
  let clock: FakeClock;
  let calls: Call[];
  let source: BundleSource;
  beforeEach(() => {
    clock = new FakeClock();
    calls = [];
    const inner: BundleSource = {
      fetch: ({ url }, signal) =>
        new Promise((answer, fail) => {
          calls.push({ name: new URL(url).hostname, aborted: signal?.aborted === true, answer, fail });
        }),
    };
    source = paceFetches(inner, { perSecond: 10, burst: 2, underWay: 3 }, clock);
  });

  const ask = (name: string, { waitSeconds, signal }: { waitSeconds?: number; signal?: AbortSignal } = {}) =>
    source.fetch(
      { url: `https://${name}/`, trust: { type: 'https_web' }, ...(waitSeconds !== undefined && { waitSeconds }) },
      signal,
    );
  const begun = async () => {
    await settle();
    return calls.map(({ name }) => name).join('');
  };
  const pass = async (ms: number) => {
    await settle();
    clock.advance(ms);
  };

  it('lets a few begin at once, and the others one after the other', async () => {
    for (const name of ['a', 'b', 'c']) void ask(name);
    assert.equal(await begun(), 'ab');
    await pass(99);
    assert.equal(await begun(), 'ab');
    await pass(1);
    assert.equal(await begun(), 'abc');
  });

  it('goes on at the same rate when the clock is set back', async () => {
    let setBackMs = 0;
    const set = { now: () => new Date(clock.now().getTime() - setBackMs), after: clock.after.bind(clock) };
    source = paceFetches(source, { perSecond: 10, burst: 1, underWay: 9 }, set);
    void ask('a');
    assert.equal(await begun(), 'a');
    setBackMs = 3_600_000;
    void ask('b');
    await pass(99);
    assert.equal(await begun(), 'a');
    await pass(1);
    assert.equal(await begun(), 'ab');
  });

  it('lets no more begin than may be under way, however much time goes by', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) void ask(name);
    await pass(10_000);
    assert.equal(await begun(), 'abc');
  });

  it('gives the place of one that ended, well or not, to the longest waiting', async () => {
    const first = ['a', 'b', 'c', 'd', 'e'].map((name) => ask(name));
    await pass(10_000);
    await settle();
    calls[1]?.answer(NOT_MODIFIED);
    assert.equal(await first[1], NOT_MODIFIED);
    assert.equal(await begun(), 'abcd');
    calls[0]?.fail(new Error('cut'));
    await assert.rejects(first[0]!, /cut/);
    assert.equal(await begun(), 'abcde');
  });

  it('does not count answers that are held', async () => {
    for (const name of ['a', 'b', 'c', 'd']) void ask(name, { waitSeconds: 240 });
    await pass(10_000);
    void ask('e');
    assert.equal(await begun(), 'abcde');
  });

  it('passes on at once one that was given up while it waited, and keeps no place for it', async () => {
    const giveUp = new AbortController();
    for (const name of ['a', 'b', 'c']) void ask(name);
    await pass(10_000);
    void ask('d', { signal: giveUp.signal });
    void ask('e');
    giveUp.abort();
    await pass(10_000);
    assert.equal(await begun(), 'abcd');
    assert.deepEqual(
      calls.map(({ aborted }) => aborted),
      [false, false, false, true],
    );
    calls[0]?.answer(NOT_MODIFIED);
    assert.equal(await begun(), 'abcde');
  });
});
