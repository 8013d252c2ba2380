// Is an older bundle kept out until an operator names it, when a peer's SPIRE came back from a backup?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import type { SpireServerClient } from '../../src/spire/spire-server.ts';
import { declarationOf, startBroker, type Broker } from './harness/broker.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { conditionOf, startKubeSide, staysTheSame, type KubeSide, type PeerObject } from './harness/kube-side.ts';
import { localAuthority } from './harness/local-authority.ts';
import { startSpireServer, type SpireServer } from './harness/spire-server.ts';
import { openApi, ownRoots, storedRoots } from './harness/stored-roots.ts';

const WEST = parseTrustDomain('west.test');
/** Long enough for several fetches. */
const WATCHED_MS = 5_000;

describe('a peer whose SPIRE came back from a backup', () => {
  const cleanup = new Cleanup();
  let east: KubeSide;
  let atEast: SpireServerClient;
  let west: SpireServer;
  let atWest: SpireServerClient;
  let digest: string;

  before(async () => {
    let broker: Broker;
    [east, [west, broker]] = await Promise.all([startKubeSide(cleanup, 'east.test'), startWest()]);
    [atEast, atWest] = [openApi(cleanup, east.server), openApi(cleanup, west)];
    const federatesWith = { entries: [{ spiffeID: 'spiffe://east.test/workload' }] };
    await east.apply('west', await declarationOf(broker, west, { federatesWith }));
    await east.waitForObject('west');
  });
  after(() => cleanup.run());

  async function startWest(): Promise<[SpireServer, Broker]> {
    const server = await startSpireServer(cleanup, WEST);
    return [server, await startBroker(cleanup, server)];
  }

  const held = async () => ({
    roots: String(await storedRoots(atEast, WEST)),
    sequence: (await atEast.getFederatedBundle(WEST))?.sequenceNumber,
  });
  const isRefused = (object: PeerObject) => conditionOf(object, 'BundleVerified')?.reason === 'SequenceRollback';
  const accept = (value: string) =>
    east.kube.kubectl(['annotate', '--overwrite', 'ptd', 'west', `fedbroker.dev/accept-digest=${value}`]);

  it('is refused by its lower sequence number, and what was held stays', async () => {
    const restore = await west.backUp();
    for (let root = 1; root <= 2; root++) await localAuthority(west, 'x509').prepare();
    const newest = String(await ownRoots(atWest));
    await eventually('the new roots are stored', async () => (await held()).roots === newest);
    const before = await held();
    await restore();
    const refused = await east.waitForObject('west', isRefused);
    const { status, message } = conditionOf(refused, 'BundleVerified')!;
    assert.equal(status, 'False');
    [digest = ''] = /\b[0-9a-f]{64}\b/.exec(message) ?? [];
    assert.notEqual(digest, '', message);
    assert.notEqual(refused.status?.bundle?.digest, digest);
    assert.deepEqual(await held(), before);
  });

  it('stays out when another digest is named', async () => {
    await accept('ab'.repeat(32));
    const [before, later] = await staysTheSame(held, WATCHED_MS);
    assert.deepEqual(later, before);
    assert.ok(isRefused((await east.object('west'))!));
  });

  it('is taken when the annotation names its digest, and followed from then on', async () => {
    const { sequence = 0n } = await held();
    await accept(digest);
    const own = String(await ownRoots(atWest));
    await eventually('it is stored', async () => (await held()).roots === own);
    assert.ok((await held()).sequence! < sequence);
    const object = await east.waitForObject('west');
    assert.equal(object.status?.bundle?.digest, digest);
    await localAuthority(west, 'x509').prepare();
    const newest = String(await ownRoots(atWest));
    await eventually('its next root is stored', async () => (await held()).roots === newest);
    await east.waitForObject('west');
  });
});
