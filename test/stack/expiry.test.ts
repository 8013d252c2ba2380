// What is taken from a peer whose endpoint falls silent, by policy, and does it come back by itself?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { SpireServerClient } from '../../src/spire/spire-server.ts';
import { declarationOf, isReady, reasonOf } from './harness/broker.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { startFederatedPair, type FederatedSide } from './harness/federated-pair.ts';
import { openApi, storedRoots } from './harness/stored-roots.ts';

const FLAGS = {
  'refresh-min-seconds': 1,
  'refresh-max-seconds': 1,
  'refresh-default-seconds': 1,
  'long-poll-seconds': 'off',
};
const SILENCE = { staleAfter: '4s', expireAfter: '12s' };
/** Several attempts to fetch. */
const WATCHED_MS = 8_000;
const EXPIRES_WITHIN_MS = 60_000;

describe('a peer whose endpoint falls silent', () => {
  const cleanup = new Cleanup();
  let east: FederatedSide;
  let west: FederatedSide;
  let api: SpireServerClient;
  before(async () => {
    [east, west] = await startFederatedPair(cleanup, ['east.test', 'west.test'], {
      flags: FLAGS,
      spec: { policy: { ...SILENCE, onExpired: 'Cut' } },
    });
    api = openApi(cleanup, east.server);
    await east.agent.waitForX509(({ federatedRoots }) => federatedRoots.has('west.test'));
  });
  after(() => cleanup.run());

  const silence = ({ broker }: FederatedSide, signal: 'SIGSTOP' | 'SIGCONT') => process.kill(broker.pid(), signal);
  const links = async () => (await api.listEntries()).find(({ id }) => id === east.entryId)?.federatesWith;
  const isCut = async () => (await storedRoots(api, 'west.test')) === undefined && (await links())?.length === 0;
  const untilCut = () => eventually('west is cut', isCut, { timeoutMs: EXPIRES_WITHIN_MS });
  // The first answer may be from before the silence: west's broker asks its SPIRE anew only once it runs again.
  const untilBack = async (rootCount: number) => {
    await east.broker.waitForPeer('west.test', (peer) => isReady(peer) && peer.bundle?.roots.length === rootCount);
    assert.deepEqual(await links(), ['west.test']);
    assert.equal((await storedRoots(api, 'west.test'))?.length, rootCount);
    await east.agent.waitForX509(({ federatedRoots }) => federatedRoots.get('west.test')?.length === rootCount);
  };

  it(
    'is stale first, then cut with onExpired: Cut: bundle, links and the workload’s roots',
    { timeout: 120_000 },
    async () => {
      silence(west, 'SIGSTOP');
      await east.broker.waitForPeer('west.test', (peer) => reasonOf(peer, 'BundleFetched') === 'Stale');
      assert.deepEqual(await links(), ['west.test']);
      assert.equal((await storedRoots(api, 'west.test'))?.length, 1);
      const expired = await east.broker.waitForPeer(
        'west.test',
        (peer) => reasonOf(peer, 'BundleStored') === 'Expired',
        EXPIRES_WITHIN_MS,
      );
      assert.equal(reasonOf(expired, 'BundleFetched'), 'Expired');
      assert.match(JSON.stringify(expired.conditions), /it comes back when the endpoint answers/);
      await untilCut();
      const { svid } = await east.agent.waitForX509(({ federatedRoots }) => !federatedRoots.has('west.test'));
      assert.equal(svid.spiffeId, 'spiffe://east.test/workload');
    },
  );

  it('comes back by itself, with the root it has made meanwhile', { timeout: 120_000 }, async () => {
    await openApi(cleanup, west.server).localAuthorities.x509.prepare();
    silence(west, 'SIGCONT');
    await untilBack(2);
  });

  it('stays cut when we restart, and comes back by the bundle of its declaration', { timeout: 180_000 }, async () => {
    silence(west, 'SIGSTOP');
    await untilCut();
    await east.broker.restart();
    await pause(WATCHED_MS);
    assert.ok(await isCut());
    silence(west, 'SIGCONT');
    await untilBack(2);
  });

  it('keeps everything with onExpired: Keep', { timeout: 120_000 }, async () => {
    const federatesWith = { entries: [{ spiffeID: 'spiffe://east.test/workload' }] };
    east.broker.declare('west', await declarationOf(west.broker, west.server, { federatesWith, policy: SILENCE }));
    await untilBack(2);
    silence(west, 'SIGSTOP');
    await east.broker.waitForPeer(
      'west.test',
      (peer) => reasonOf(peer, 'BundleFetched') === 'Expired',
      EXPIRES_WITHIN_MS,
    );
    await pause(WATCHED_MS);
    assert.deepEqual(await links(), ['west.test']);
    assert.equal((await storedRoots(api, 'west.test'))?.length, 2);
    assert.equal((await east.agent.fetchX509()).federatedRoots.get('west.test')?.length, 2);
    silence(west, 'SIGCONT');
    await untilBack(2);
  });
});
