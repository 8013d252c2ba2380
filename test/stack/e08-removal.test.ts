// E8: is trust in a peer really gone when its declaration is, and nobody else's?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { declarationOf, startBroker, type Broker } from './harness/broker.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { startFederatedPair, type FederatedSide } from './harness/federated-pair.ts';
import { startSpireServer, type SpireServer } from './harness/spire-server.ts';
import { openApi, storedRoots } from './harness/stored-roots.ts';

describe('E8: a declaration is taken back', () => {
  const cleanup = new Cleanup();
  let east: FederatedSide;
  let north: { readonly server: SpireServer; readonly broker: Broker };

  before(async () => {
    [east] = await startFederatedPair(cleanup, ['east.test', 'west.test']);
    const server = await startSpireServer(cleanup, 'north.test');
    north = { server, broker: await startBroker(cleanup, server) };
    const federatesWith = { entries: [{ spiffeID: 'spiffe://east.test/workload' }] };
    east.broker.declare('north', await declarationOf(north.broker, server, { federatesWith }));
    await east.broker.waitForPeer('north.test');
    await east.agent.waitForX509(
      ({ federatedRoots }) => federatedRoots.has('west.test') && federatedRoots.has('north.test'),
    );
  });
  after(() => cleanup.run());

  it('takes the peer from the workload, the entry and the store, and leaves the other peer alone', async () => {
    const api = openApi(cleanup, east.server);
    const northBefore = await storedRoots(api, 'north.test');
    east.broker.undeclare('west');
    await eventually('the bundle is gone', async () => (await storedRoots(api, 'west.test')) === undefined);
    const [entry] = await api.listEntries();
    assert.deepEqual(entry?.federatesWith, ['north.test']);
    const context = await east.agent.waitForX509(({ federatedRoots }) => !federatedRoots.has('west.test'));
    assert.ok(context.federatedRoots.has('north.test'));
    assert.deepEqual(await storedRoots(api, 'north.test'), northBefore);
    await eventually('it is forgotten', async () => !(await api.readManagedPeers()).has('west.test' as never));
    assert.equal(await east.broker.peer('west.test'), undefined);
  });

  it('keeps a peer whose file has a fault, and names file, line and fault', async () => {
    east.broker.declare('north', { trustDomain: 'north.test', bundleEndpointURL: 'http://insecure/' });
    const status = await eventually('the fault is known', async () => {
      const now = (await east.broker.status()) as unknown as {
        declarationFaults: { file: string; line: number; message: string }[];
      };
      return now.declarationFaults.length > 0 && now;
    });
    assert.deepEqual([...new Set(status.declarationFaults.map(({ file }) => file))], ['north.yaml']);
    assert.ok(status.declarationFaults.some(({ message }) => message.includes('https')));
    assert.ok(status.declarationFaults.every(({ line }) => line >= 1));
    await east.broker.waitForPeer('north.test');
    const context = await east.agent.fetchX509();
    assert.ok(context.federatedRoots.has('north.test'));
  });
});
