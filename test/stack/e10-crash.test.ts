// E10: is the end the same when the broker is killed between any two of its steps and started again?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { SpireServerClient } from '../../src/spire/spire-server.ts';
import { declarationOf, startBroker, type Broker } from './harness/broker.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { startSpireProxy, type SpireProxy } from './harness/spire-proxy.ts';
import { startSpireServer, type SpireServer } from './harness/spire-server.ts';
import { openApi, storedRoots } from './harness/stored-roots.ts';

describe('E10: a broker that is killed after any of its writes, before it learns that it was done', () => {
  const cleanup = new Cleanup();
  let east: SpireServer;
  let west: SpireServer;
  let eastBroker: Broker;
  let broker: Broker;
  let proxy: SpireProxy;
  let api: SpireServerClient;
  let entryId: string;

  before(async () => {
    [east, west] = await Promise.all([startSpireServer(cleanup, 'east.test'), startSpireServer(cleanup, 'west.test')]);
    eastBroker = await startBroker(cleanup, east);
    proxy = await startSpireProxy(cleanup, west.folder, west.socketPath);
    broker = await startBroker(cleanup, west, { 'spire-socket': proxy.socketPath });
    api = openApi(cleanup, west);
    const created = await west.cliJson<{ results: { entry: { id: string } }[] }>([
      ...['entry', 'create', '-spiffeID', 'spiffe://west.test/api', '-parentID', 'spiffe://west.test/node'],
      ...['-selector', 'unix:uid:0'],
    ]);
    entryId = created.results[0]!.entry.id;
  });
  after(() => cleanup.run());

  async function entry(): Promise<{ readonly federatesWith: readonly string[]; readonly revision: number }> {
    const shown = await west.cliJson<{ entries: { federates_with: string[]; revision_number: string }[] }>([
      ...['entry', 'show', '-entryID', entryId],
    ]);
    const [found] = shown.entries;
    return { federatesWith: found!.federates_with, revision: Number(found!.revision_number) };
  }

  const declare = async () => {
    const federatesWith = { entries: [{ spiffeID: 'spiffe://west.test/**' }] };
    broker.declare('east', await declarationOf(eastBroker, east, { federatesWith }));
  };
  const federated = () =>
    broker.waitForPeer('east.test', (peer) => peer.entriesFederated === 1 && peer.bundle !== undefined);
  const gone = () =>
    eventually('nothing of east is left', async () => {
      const [roots, managed, { federatesWith }] = [
        await storedRoots(api, 'east.test'),
        await api.readManagedPeers(),
        await entry(),
      ];
      return roots === undefined && managed.size === 0 && federatesWith.length === 0;
    });

  /** Kills the broker when SPIRE has done its `nth` write, starts it again, and tells which writes there were in all. */
  async function killedAfter(
    nth: number,
    act: () => Promise<void> | void,
    end: () => Promise<unknown>,
  ): Promise<string[]> {
    const before = proxy.writes.length;
    const killed = new Promise<void>((resolve, reject) => {
      proxy.loseAnswer(nth, () => {
        broker.kill().then(resolve, reject);
      });
    });
    await act();
    await killed;
    await broker.restart();
    await end();
    return proxy.writes.slice(before);
  }

  it('has three writes to make when a peer is declared, and three when it is taken back', async () => {
    await declare();
    await federated();
    broker.undeclare('east');
    await gone();
    const expected = [
      'BatchCreateEntry',
      'BatchSetFederatedBundle',
      'BatchUpdateEntry',
      'BatchUpdateEntry',
      'BatchDeleteFederatedBundle',
      'BatchUpdateEntry',
    ];
    assert.deepEqual(proxy.writes, expected);
  });

  for (const nth of [1, 2, 3]) {
    it(`ends the same, with no write more, when it is killed after write ${nth} of declaring and of taking back`, async () => {
      const { revision } = await entry();
      const declared = await killedAfter(nth, declare, federated);
      assert.deepEqual(declared, ['BatchUpdateEntry', 'BatchSetFederatedBundle', 'BatchUpdateEntry']);
      assert.deepEqual(await entry(), { federatesWith: ['east.test'], revision: revision + 1 });
      const stored = await storedRoots(api, 'east.test');
      assert.deepEqual(stored, await storedRoots(api, 'east.test'));
      const removed = await killedAfter(
        nth,
        () => {
          broker.undeclare('east');
          // The directory must not look like a lost mount to the broker that is started next.
          broker.declare('nobody', {
            trustDomain: 'nobody.test',
            bundleEndpointURL: 'https://127.0.0.1:9/',
            bundleEndpointProfile: { type: 'https_web' },
            suspend: true,
          });
        },
        gone,
      );
      assert.deepEqual(removed, ['BatchUpdateEntry', 'BatchDeleteFederatedBundle', 'BatchUpdateEntry']);
      assert.deepEqual(await entry(), { federatesWith: [], revision: revision + 2 });
    });
  }
});
