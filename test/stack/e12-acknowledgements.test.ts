// E12: does each broker know which of its bundles the other has applied, by nothing but the other's SVID?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { PeerStatus } from '../../src/broker/peer-status.ts';
import { Cleanup } from './harness/cleanup.ts';
import { startFederatedPair, type FederatedSide } from './harness/federated-pair.ts';
import { openApi, ownRoots } from './harness/stored-roots.ts';

const holdsNewest = ({ holding }: PeerStatus) => holding?.bundle?.isNewest === true;
const rootsOf = ({ holding }: PeerStatus) => holding?.bundle?.roots.length;

describe('E12: acknowledgements between two brokers on real SPIRE', () => {
  const cleanup = new Cleanup();
  let east: FederatedSide;
  let west: FederatedSide;

  before(async () => {
    [east, west] = await startFederatedPair(cleanup, ['east.test', 'west.test']);
  });
  after(() => cleanup.run());

  it('each sees that the other holds its newest bundle', async () => {
    await east.broker.waitForPeer('west.test', holdsNewest);
    await west.broker.waitForPeer('east.test', holdsNewest);
    assert.equal(
      await east.broker.metric('fedbroker_client_certificates_refused_total{reason="SvidUntrusted"}'),
      undefined,
    );
  });

  it('a prepared root is held by the peer, as its broker says, before it signs anything', async (context) => {
    const api = openApi(cleanup, east.server);
    const startedAt = Date.now();
    await api.localAuthorities.x509.prepare();
    const { holding } = await east.broker.waitForPeer('west.test', (peer) => holdsNewest(peer) && rootsOf(peer) === 2);
    context.diagnostic(`from prepare to the acknowledgement: ${Date.now() - startedAt} ms`);
    assert.deepEqual([...(holding?.bundle?.roots ?? [])].sort(), await ownRoots(api));
  });

  it('goes on after the new root signs for both, and after a restart of the peer’s broker', async () => {
    const { x509 } = openApi(cleanup, west.server).localAuthorities;
    const { id } = await x509.prepare();
    await east.broker.waitForPeer('west.test', ({ bundle }) => bundle?.roots.length === 2);
    await x509.activate(id);
    const restartedAt = new Date();
    await west.broker.restart();
    await east.broker.waitForPeer(
      'west.test',
      (peer) => holdsNewest(peer) && new Date(peer.holding?.at ?? 0) > restartedAt,
    );
  });
});
