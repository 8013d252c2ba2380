// Does the leader know what a peer holds when the peer's broker asked another replica, and does the peer's object say it?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { PeerStatus } from '../../src/broker/peer-status.ts';
import { declarationOf, startBroker, type Broker } from './harness/broker.ts';
import { Cleanup } from './harness/cleanup.ts';
import { conditionOf, startKubeSide, type KubeSide } from './harness/kube-side.ts';
import { startSpireServer } from './harness/spire-server.ts';
import { openApi } from './harness/stored-roots.ts';

const holdsNewest = ({ holding }: PeerStatus) => holding?.bundle?.isNewest === true;

describe('acknowledgements to a replica that does not lead, on real SPIRE and a real API server', () => {
  const cleanup = new Cleanup();
  let side: KubeSide;
  let west: Broker;
  let leader: Broker;
  let standby: Broker;

  before(async () => {
    const [kubeSide, server] = await Promise.all([
      startKubeSide(cleanup, 'east.test', { replicas: 2 }),
      startSpireServer(cleanup, 'west.test'),
    ]);
    side = kubeSide;
    west = await startBroker(cleanup, server);
    leader = await side.leader();
    standby = side.replicas.find((replica) => replica !== leader)!;
    await side.apply('west', await declarationOf(west, server));
    await side.waitForObject('west');
    west.declare('east', await declarationOf(standby, side.server));
    await west.waitForPeer('east.test');
  });
  after(() => cleanup.run());

  it('is told by the status of the object, and again after a root was prepared', async (context) => {
    await leader.waitForPeer('west.test', holdsNewest);
    const startedAt = Date.now();
    await openApi(cleanup, side.server).localAuthorities.x509.prepare();
    await leader.waitForPeer('west.test', (peer) => holdsNewest(peer) && peer.holding?.bundle?.roots.length === 2);
    context.diagnostic(`from prepare to the leader, through the other replica: ${Date.now() - startedAt} ms`);
    const { status } = (await side.object('west'))!;
    assert.equal(status?.writer === undefined, false);
  });

  it('are a condition and an event of the object, when SPIRE signs with what the peer does not hold', async () => {
    const waitFor = (status: string, reason: string) =>
      side.waitForObject('west', (object) => {
        const condition = conditionOf(object, 'HoldsOurAuthorities');
        return condition?.status === status && condition.reason === reason;
      });
    await waitFor('True', 'Held');
    process.kill(west.pid(), 'SIGSTOP');
    try {
      const { x509 } = openApi(cleanup, side.server).localAuthorities;
      await x509.activate((await x509.prepare()).id);
      const object = await waitFor('False', 'ActiveNotHeld');
      assert.equal(conditionOf(object, 'Ready')?.status, 'True', 'what comes from the peer is as before');
    } finally {
      process.kill(west.pid(), 'SIGCONT');
    }
    await waitFor('True', 'Held');
  });

  it('is still known when the replica that was asked leads', async () => {
    await leader.end();
    await standby.waitForPeer('west.test', holdsNewest);
  });
});
