// E4: does federation survive a root that is prepared, used and replaced in one instant? SPIRE's own does not.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { SpireServerClient } from '../../src/spire/spire-server.ts';
import { declarationOf, reasonOf } from './harness/broker.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { startFederatedPair, type FederatedSide } from './harness/federated-pair.ts';
import { localAuthority } from './harness/local-authority.ts';
import type { SpireServer } from './harness/spire-server.ts';
import { refreshFederation, startSpirePair } from './harness/spire-pair.ts';
import { openApi, ownRoots, storedRoots } from './harness/stored-roots.ts';
import { mutualHandshake } from './harness/verify-svid.ts';

/** Prepare, activate, taint and revoke without a pause between them. */
async function replaceRoot(server: SpireServer): Promise<void> {
  const authority = localAuthority(server, 'x509');
  await authority.prepare();
  await authority.activate();
  await authority.taint();
  await authority.revoke();
}

describe('E4: prepare, activate, taint and revoke in one instant', () => {
  const cleanup = new Cleanup();
  let east: FederatedSide;
  let west: FederatedSide;
  let eastApi: SpireServerClient;
  let westApi: SpireServerClient;

  before(async () => {
    [east, west] = await startFederatedPair(cleanup, ['east.test', 'west.test']);
    [eastApi, westApi] = [openApi(cleanup, east.server), openApi(cleanup, west.server)];
  });
  after(() => cleanup.run());

  const inStep = () =>
    eventually('west holds exactly the roots of east', async () => {
      const [own, stored] = [await ownRoots(eastApi), await storedRoots(westApi, 'east.test')];
      return own.length > 0 && own.join() === stored?.join();
    });

  it('reaches the peer through the brokers, twice in a row', async () => {
    for (let turn = 0; turn < 2; turn++) {
      const before = await ownRoots(eastApi);
      await replaceRoot(east.server);
      await inStep();
      assert.notDeepEqual(await ownRoots(eastApi), before);
      await west.broker.waitForPeer('east.test');
    }
  });

  it('lets workloads meet with their new SVIDs', async () => {
    const { client, server } = await eventually(
      'both sides accept the new SVIDs',
      async () => {
        const [atEast, atWest] = await Promise.all([east.agent.fetchX509(), west.agent.fetchX509()]);
        const verdicts = await mutualHandshake(
          { svid: atEast.svid, roots: atEast.federatedRoots.get('west.test') ?? [] },
          { svid: atWest.svid, roots: atWest.federatedRoots.get('east.test') ?? [] },
        );
        return verdicts.client.ok && verdicts.server.ok && verdicts;
      },
      { timeoutMs: 60_000, intervalMs: 500 },
    );
    assert.deepEqual([client.ok, server.ok], [true, true]);
  });

  it('breaks SPIRE’s own federation for good', async () => {
    const [north, south] = await startSpirePair(cleanup, ['north.test', 'south.test']);
    assert.equal((await refreshFederation(south, 'north.test')).exitCode, 0);
    await replaceRoot(north);
    await eventually('south’s own poller cannot verify north any more', async () => {
      const { exitCode, stdout, stderr } = await refreshFederation(south, 'north.test');
      return exitCode !== 0 && (stdout + stderr).includes('certificate signed by unknown authority');
    });
  });

  it('while the endpoint’s broker is down leaves a root that we never saw: the condition has the command, and it helps', async () => {
    await east.broker.kill();
    await replaceRoot(east.server);
    await east.broker.restart();
    const peer = await west.broker.waitForPeer(
      'east.test',
      (each) => reasonOf(each, 'EndpointTrusted') === 'EndpointRootUnknown',
      60_000,
    );
    const { message } = peer.conditions.find(({ type }) => type === 'EndpointTrusted')!;
    const [, command, args] = /run: (fedbroker) (rebootstrap east --bundle) FILE$/.exec(message) ?? [];
    assert.equal(command, 'fedbroker');
    const file = join(west.server.folder, 'obtained-by-another-way.json');
    writeFileSync(file, await east.server.bundleDocument());
    const { exitCode, stdout, stderr } = await west.broker.cli([...args!.split(' '), file]);
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /\+ root [0-9a-f]{64}/);
    await inStep();
    await west.broker.waitForPeer('east.test', undefined, 60_000);
  });

  it('is repaired without a command when the declared bundle is newer', async () => {
    await east.broker.kill();
    await replaceRoot(east.server);
    await east.broker.restart();
    await west.broker.waitForPeer(
      'east.test',
      (each) => reasonOf(each, 'EndpointTrusted') === 'EndpointRootUnknown',
      60_000,
    );
    const federatesWith = { entries: [{ spiffeID: 'spiffe://west.test/workload' }] };
    west.broker.declare('east', await declarationOf(east.broker, east.server, { federatesWith }));
    await inStep();
    await west.broker.waitForPeer('east.test', undefined, 60_000);
  });
});
