// Are no more answers held than allowed, and does a freed place go to the next?
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { boundHeldRequests } from '../../src/bundle-endpoint/bound-held-requests.ts';
import type { BundleAnswer, BundleRequest, BundleSource } from '../../src/federation/ports.ts';

const NOT_MODIFIED: BundleAnswer = { kind: 'NotModified', waitApplied: false };

interface Call {
  readonly request: BundleRequest;
  readonly signal: AbortSignal | undefined;
  readonly answer: (answer: BundleAnswer) => void;
  readonly fail: (error: Error) => void;
}

describe('bound of held answers', () => {
  let calls: Call[];
  let source: BundleSource;
  beforeEach(() => {
    calls = [];
    const inner: BundleSource = {
      fetch: (request, signal) =>
        new Promise((answer, fail) => {
          calls.push({ request, signal, answer, fail });
        }),
    };
    source = boundHeldRequests(inner, 2);
  });

  const ask = (name: string, waitSeconds?: number) =>
    source.fetch({
      url: `https://${name}.example/`,
      trust: { type: 'https_web' },
      appliedEtag: '"1"',
      ...(waitSeconds !== undefined && { waitSeconds }),
    });
  const waits = () => calls.map(({ request }) => request.waitSeconds);

  it('asks for a wait as long as there is a place, and then for an answer at once', () => {
    for (const name of ['a', 'b', 'c']) void ask(name, 240);
    assert.deepEqual(waits(), [240, 240, undefined]);
    assert.deepEqual(calls[2]?.request, {
      url: 'https://c.example/',
      trust: { type: 'https_web' },
      appliedEtag: '"1"',
    });
  });

  it('gives the place of an answer that came to the next who asks', async () => {
    const first = ask('a', 240);
    void ask('b', 240);
    calls[0]?.answer(NOT_MODIFIED);
    assert.equal(await first, NOT_MODIFIED);
    void ask('c', 240);
    void ask('d', 240);
    assert.deepEqual(waits(), [240, 240, 240, undefined]);
  });

  it('gives the place of a broken connection to the next who asks', async () => {
    const first = ask('a', 240);
    void ask('b', 240);
    calls[0]?.fail(new Error('cut'));
    await assert.rejects(first, /cut/);
    void ask('c', 240);
    assert.deepEqual(waits(), [240, 240, 240]);
  });

  it('counts no request that asks for no wait', () => {
    for (const name of ['a', 'b', 'c']) void ask(name);
    void ask('d', 240);
    assert.deepEqual(waits(), [undefined, undefined, undefined, 240]);
  });

  it('asks nobody to hold an answer when the bound is 0', () => {
    const none = boundHeldRequests(source, 0);
    void none.fetch({ url: 'https://a.example/', trust: { type: 'https_web' }, waitSeconds: 240 });
    assert.deepEqual(waits(), [undefined]);
  });

  it('passes the signal on', () => {
    const { signal } = new AbortController();
    void source.fetch({ url: 'https://a.example/', trust: { type: 'https_web' }, waitSeconds: 240 }, signal);
    assert.equal(calls[0]?.signal, signal);
  });
});
