// Does a call end in time, and does the channel find a server that was started again?
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openSpireServer } from '../../src/spire/spire-server.ts';
import { isSpireError } from '../../src/spire/spire-error.ts';
import { makeBundle, spireError } from '../contract/contract-subject.ts';
import { EAST, useDevSpire, WEST } from './dev-spire-fixture.ts';

/** A safety net for the reconnect, which takes about 0.1 s. */
const RECONNECT_LIMIT_MS = 10_000;

describe('channel to SPIRE Server', () => {
  const fixture = useDevSpire();

  it('gives up a call when its deadline passes', async () => {
    const { dev } = fixture();
    const spire = openSpireServer({ socketPath: dev.socketPath, trustDomain: EAST, deadlines: { readMs: 50 } });
    dev.failNext('CountEntries', { type: 'Delay', delayMs: 60_000 });
    await assert.rejects(spire.countEntries(), spireError('SpireDeadlineExceeded', 'CountEntries: '));
    spire.close();
  });

  it('gives up a call when its signal aborts, also when it had aborted before', async () => {
    const { dev, spire } = fixture();
    dev.failNext('CountEntries', { type: 'Delay', delayMs: 60_000 });
    const abort = new AbortController();
    const call = spire.countEntries(abort.signal);
    abort.abort();
    await assert.rejects(call, spireError('SpireCancelled'));
    await assert.rejects(spire.countEntries(abort.signal), spireError('SpireCancelled'));
  });

  it('says that the server cannot be reached while its socket is missing', async () => {
    const { dev, spire } = fixture();
    await dev.stopListening();
    await assert.rejects(spire.countEntries(), spireError('SpireUnreachable', 'check that it runs'));
  });

  it('finds a server that was started again on the same path', async () => {
    const { dev, spire } = fixture();
    assert.equal(await spire.countEntries(), 0);
    await dev.stopListening();
    await assert.rejects(spire.countEntries(), spireError('SpireUnreachable'));
    await dev.startListening();
    const startedAt = Date.now();
    for (;;) {
      try {
        assert.equal(await spire.countEntries(), 0);
        break;
      } catch (error) {
        if (!isSpireError(error, 'SpireUnreachable')) throw error;
        assert.ok(Date.now() - startedAt < RECONNECT_LIMIT_MS, 'not found again');
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  });

  it('needs no server before the first call', async () => {
    const { dev } = fixture();
    await dev.stopListening();
    const spire = openSpireServer({ socketPath: dev.socketPath, trustDomain: EAST });
    await dev.startListening();
    assert.equal(await spire.isServing(), true);
    spire.close();
  });

  it('reads an answer larger than 4 MiB', async () => {
    const { spire } = fixture();
    const { x509Authorities } = await makeBundle(WEST);
    const copies = Math.ceil((3.5 * 1024 * 1024) / x509Authorities[0]!.length);
    const roots = Array.from({ length: copies }, () => x509Authorities[0]!);
    for (const name of ['north.test', 'south.test'] as const) {
      const bundle = { ...(await makeBundle(WEST)), trustDomain: name as typeof WEST, x509Authorities: roots };
      const [outcome] = await spire.setFederatedBundles([bundle]);
      assert.equal(outcome?.ok, true);
    }
    const bundles = await spire.listFederatedBundles();
    assert.deepEqual(
      bundles.map((bundle) => bundle.x509Authorities.length),
      [copies, copies],
    );
  });
});
