// Are no more fetches under way than allowed, and does each get its turn?
import assert from 'node:assert/strict';
import { setImmediate as turnOfLoop } from 'node:timers/promises';
import { beforeEach, describe, it } from 'node:test';
import { queueFetches } from '../../src/bundle-endpoint/queue-fetches.ts';
import type { BundleAnswer, BundleSource } from '../../src/federation/ports.ts';

const ANSWER: BundleAnswer = { kind: 'NotModified', waitApplied: false };

describe('queue of fetches', () => {
  let begun: string[];
  let end: Map<string, (error?: Error) => void>;
  let source: BundleSource;
  beforeEach(() => {
    begun = [];
    end = new Map();
    const inner: BundleSource = {
      fetch: ({ url }, signal) => {
        signal?.throwIfAborted();
        begun.push(url);
        return new Promise((resolve, reject) => {
          end.set(url, (error) => {
            if (error === undefined) resolve(ANSWER);
            else reject(error);
          });
        });
      },
    };
    source = queueFetches(inner, 2);
  });

  const ask = (url: string, signal?: AbortSignal) => source.fetch({ url, trust: { type: 'https_web' } }, signal);

  it('lets a fetch wait until another has ended, in the order in which they were asked for', async () => {
    const fetches = ['a', 'b', 'c', 'd'].map((url) => ask(url));
    assert.deepEqual(begun, ['a', 'b']);
    end.get('b')?.();
    assert.equal(await fetches[1], ANSWER);
    await turnOfLoop();
    assert.deepEqual(begun, ['a', 'b', 'c']);
    end.get('a')?.();
    await fetches[0];
    await turnOfLoop();
    assert.deepEqual(begun, ['a', 'b', 'c', 'd']);
  });

  it('gives the place of a fetch that failed to the next', async () => {
    const [failing] = ['a', 'b', 'c'].map((url) => ask(url));
    end.get('a')?.(new Error('cut'));
    await assert.rejects(failing!, /cut/);
    await turnOfLoop();
    assert.deepEqual(begun, ['a', 'b', 'c']);
  });

  it('has both places again when all have ended', async () => {
    const first = ['a', 'b', 'c'].map((url) => ask(url));
    for (const url of ['a', 'b', 'c']) {
      end.get(url)?.();
      await turnOfLoop();
    }
    await Promise.all(first);
    for (const url of ['d', 'e', 'f']) void ask(url);
    assert.deepEqual(begun, ['a', 'b', 'c', 'd', 'e']);
  });

  it('takes a fetch that was cancelled out of the queue', async () => {
    const cancelled = new AbortController();
    void ask('a');
    void ask('b');
    const third = ask('c', cancelled.signal);
    void ask('d');
    cancelled.abort();
    await assert.rejects(third, /aborted/);
    await assert.rejects(ask('e', cancelled.signal), /aborted/);
    end.get('a')?.();
    await turnOfLoop();
    assert.deepEqual(begun, ['a', 'b', 'd']);
  });

  it('does not count a fetch whose answer may be held', () => {
    for (const url of ['a', 'b', 'c']) void source.fetch({ url, trust: { type: 'https_web' }, waitSeconds: 240 });
    void ask('d');
    assert.deepEqual(begun, ['a', 'b', 'c', 'd']);
  });
});
