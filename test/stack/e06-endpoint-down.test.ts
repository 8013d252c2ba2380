// E6: does everything stay as it is while the peer's endpoint is down, and go on when it is back?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { SpireServerClient } from '../../src/spire/spire-server.ts';
import { isReady } from './harness/broker.ts';
import { Cleanup } from './harness/cleanup.ts';
import { startFederatedPair, type FederatedSide } from './harness/federated-pair.ts';
import { openApi, storedRoots } from './harness/stored-roots.ts';
import { setTimeout as pause } from 'node:timers/promises';

const DOWN_MS = 20_000;

describe('E6: the peer’s endpoint goes away and comes back', () => {
  const cleanup = new Cleanup();
  let east: FederatedSide;
  let west: FederatedSide;
  let api: SpireServerClient;

  before(async () => {
    [east, west] = await startFederatedPair(cleanup, ['east.test', 'west.test']);
    api = openApi(cleanup, west.server);
    await west.agent.waitForX509(({ federatedRoots }) => federatedRoots.has('east.test'));
  });
  after(() => cleanup.run());

  const entry = async () =>
    JSON.parse(await west.server.cli(['entry', 'show', '-entryID', west.entryId, '-output', 'json'])) as unknown;

  it('keeps bundle and entries untouched, issues SVIDs, says what is wrong, and is ready again by itself', async () => {
    const [bundle, entryBefore] = [await api.listFederatedBundles(), await entry()];
    await east.broker.kill();
    const down = await west.broker.waitForPeer('east.test', (peer) => !isReady(peer));
    const fetched = down.conditions.find(({ type }) => type === 'BundleFetched');
    assert.ok(['ConnectFailed', 'ConnectionLost'].includes(fetched?.reason ?? ''), fetched?.reason);
    await pause(DOWN_MS);
    assert.deepEqual(await api.listFederatedBundles(), bundle);
    assert.deepEqual(await entry(), entryBefore);
    const context = await west.agent.fetchX509();
    assert.equal(context.federatedRoots.get('east.test')?.length, 1);

    await east.broker.restart();
    await west.broker.waitForPeer('east.test', isReady, 60_000);
    assert.deepEqual(await api.listFederatedBundles(), bundle);
    assert.deepEqual(await entry(), entryBefore);
  });

  it('brings the next root as before', async () => {
    await openApi(cleanup, east.server).localAuthorities.x509.prepare();
    await west.broker.waitForPeer('east.test', (peer) => peer.bundle?.roots.length === 2);
    assert.equal((await storedRoots(api, 'east.test'))?.length, 2);
  });
});
