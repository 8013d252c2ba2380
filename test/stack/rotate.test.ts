// Is a rotation safe that is led: with a peer that is late, and killed after every write? And what does SPIRE's clock do?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { BrokerStatus } from '../../src/broker/status.ts';
import type { ServingSvidStatus } from '../../src/bundle-endpoint/serving-svid.ts';
import type { Bundle } from '../../src/bundle/bundle.ts';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { isReady } from './harness/broker.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { startFederatedPair, type FederatedSide } from './harness/federated-pair.ts';
import { leadRotation } from './harness/led-rotation.ts';
import { localAuthority } from './harness/local-authority.ts';
import { startSpireProxy } from './harness/spire-proxy.ts';
import { openApi, ownRoots, storedRoots } from './harness/stored-roots.ts';
import { keepMeeting, refusals } from './harness/workload-meetings.ts';

/** More than the five hints after which one that is not observed is waited for no longer. */
const STOPPED_MS = 30_000;
const FLAGS = { 'refresh-hint-seconds': 5, 'long-poll-seconds': 5 };

describe('a rotation that is led', () => {
  const cleanup = new Cleanup();
  let east: FederatedSide;
  let west: FederatedSide;
  before(async () => {
    [east, west] = await startFederatedPair(cleanup, ['east.test', 'west.test'], {
      server: { x509SvidTtl: '1m' },
      flags: FLAGS,
    });
    await eventually('the workloads meet', async () => (await refusals(east, west)).length === 0);
    await eventually('west has told what it holds', async () => {
      const { stdout } = await east.broker.cli(['rotation', 'status']);
      return stdout.includes('held by 1 of 1 peers');
    });
  });
  after(() => cleanup.run());

  it(
    'waits for the peer that is late, also when our broker is started anew, and no handshake fails',
    { timeout: 300_000 },
    async () => {
      const [api, westApi] = [openApi(cleanup, east.server), openApi(cleanup, west.server)];
      const before = await ownRoots(api);
      const over = new AbortController();
      const meeting = keepMeeting([east, west], over.signal);
      process.kill(west.broker.pid(), 'SIGSTOP');
      const args = ['--revoke-old', '--revoke-after', '10s'];
      const rotation = leadRotation(cleanup, east.broker, east.server.socketPath, args);
      await eventually('it waits for west', () => Promise.resolve(rotation.output().includes('not yet by west.test')));
      await east.broker.restart();
      await eventually('it waits for west still', () => rotation.output().includes('PeersFellSilent'));
      await pause(STOPPED_MS);
      const { active } = await localAuthority(east.server, 'x509').show();
      assert.doesNotMatch(rotation.output(), /activate: /);
      process.kill(west.broker.pid(), 'SIGCONT');
      assert.equal(await rotation.exitCode, 0, rotation.output());
      assert.notEqual((await localAuthority(east.server, 'x509').show()).active?.authorityId, active?.authorityId);
      assert.match(rotation.output(), /observed: held by west\.test/);
      const roots = await ownRoots(api);
      assert.equal(roots.length, 1);
      assert.ok(!before.includes(roots[0]!));
      await eventually(
        'west has the new root alone',
        async () => (await storedRoots(westApi, 'east.test'))?.join() === roots.join(),
      );
      over.abort();
      assert.deepEqual((await meeting).failed, []);
      await west.broker.waitForPeer('east.test', isReady);
    },
  );

  it('leads the key that signs JWT-SVIDs too', { timeout: 120_000 }, async () => {
    const [api, westApi] = [openApi(cleanup, east.server), openApi(cleanup, west.server)];
    const keyIds = (bundle: Bundle | undefined) => bundle?.jwtAuthorities.map(({ keyId }) => keyId).sort();
    const before = await localAuthority(east.server, 'jwt').show();
    const args = ['--jwt', '--revoke-old', '--revoke-after', '1s'];
    const rotation = leadRotation(cleanup, east.broker, east.server.socketPath, args);
    assert.equal(await rotation.exitCode, 0, rotation.output());
    assert.match(rotation.output(), /observed: held by west\.test/);
    const { active } = await localAuthority(east.server, 'jwt').show();
    assert.notEqual(active?.authorityId, before.active?.authorityId);
    const [id] = keyIds(await api.readOwnBundle())!;
    assert.equal(id, active?.authorityId);
    await eventually('west has the new key alone', async () => {
      const stored = await westApi.getFederatedBundle(parseTrustDomain('east.test'));
      return keyIds(stored)?.join() === id;
    });
  });

  it(
    'ends right when it and the running broker are killed after every one of its writes',
    { timeout: 300_000 },
    async () => {
      await east.broker.cli(['rotate', '--abandon']);
      const proxy = await startSpireProxy(cleanup, east.server.folder, east.server.socketPath);
      const lead = () =>
        leadRotation(cleanup, east.broker, proxy.socketPath, [
          '--revoke-old',
          '--revoke-after',
          '1s',
          '--timeout',
          '5m',
        ]);
      const { active } = await localAuthority(east.server, 'x509').show();
      for (let run = 0; ; run++) {
        assert.ok(run < 20, `it never ends: ${proxy.writes.join(', ')}`);
        const rotation = lead();
        // Whether the killed one has still asked for an authority nobody knows: the next writes down that it asks, and asks.
        const asksAnew = proxy.writes.length > 0 && !proxy.writes.includes('PrepareX509Authority');
        let brokerKilled: Promise<void> | undefined;
        proxy.loseAnswer(asksAnew ? 2 : 1, () => {
          rotation.kill();
          brokerKilled = east.broker.kill();
        });
        const exitCode = await rotation.exitCode;
        if (exitCode === undefined) {
          await brokerKilled;
          await east.broker.restart();
          continue;
        }
        assert.equal(exitCode, 0, rotation.output());
        break;
      }
      const names = proxy.writes.filter((name) => !name.startsWith('Batch'));
      const once = ['PrepareX509Authority', 'ActivateX509Authority', 'TaintX509Authority', 'RevokeX509Authority'];
      assert.deepEqual(names, once);
      assert.equal(proxy.writes.length, 10);
      const now = await localAuthority(east.server, 'x509').show();
      assert.notEqual(now.active?.authorityId, active?.authorityId);
      await eventually('the workloads meet', async () => (await refusals(east, west)).length === 0);
    },
  );
});

describe('the same rotation by SPIRE’s clock', () => {
  const cleanup = new Cleanup();
  let east: FederatedSide;
  let west: FederatedSide;
  before(async () => {
    [east, west] = await startFederatedPair(cleanup, ['east.test', 'west.test'], {
      server: { caTtl: '4m', x509SvidTtl: '1m' },
      flags: FLAGS,
    });
    await eventually('the workloads meet', async () => (await refusals(east, west)).length === 0);
    await eventually('west has told what it holds', async () => {
      const { stdout } = await east.broker.cli(['rotation', 'status']);
      return stdout.includes('held by 1 of 1 peers');
    });
  });
  after(() => cleanup.run());

  /** The root of the SVID that east's endpoint presents. */
  async function signerOfOurs(): Promise<string | undefined> {
    const status = (await east.broker.status()) as BrokerStatus & { readonly servingSvid?: ServingSvidStatus };
    return status.servingSvid?.signedBy;
  }

  it(
    'is announced by the alarm while there is time, fails for the peer that is late, and that one comes back by itself',
    { timeout: 400_000 },
    async (context) => {
      const [rootBefore] = await ownRoots(openApi(cleanup, east.server));
      process.kill(west.broker.pid(), 'SIGSTOP');
      const alarm = () => east.broker.metric('fedbroker_rotation_alarm{kind="x509",reason="ActivatesUnheld"}');
      const { active } = await localAuthority(east.server, 'x509').show();
      await eventually('the alarm is raised', async () => (await alarm()) === 1, { timeoutMs: 200_000 });
      assert.ok((await east.broker.metric('fedbroker_rotation_lead_seconds{kind="x509"}'))! > 0);
      assert.equal((await localAuthority(east.server, 'x509').show()).active?.authorityId, active?.authorityId);
      assert.deepEqual(await refusals(east, west), []);
      await eventually('west refuses', async () => (await refusals(east, west)).length > 0, { timeoutMs: 120_000 });
      const status = await eventually('the broker has read that SPIRE activated it', async () => {
        const now = await east.broker.cli(['rotation', 'status']);
        return now.stdout.includes('! ActiveNotHeld: west.test') ? now : undefined;
      });
      assert.equal(status.exitCode, 1);
      // Our endpoint still proves itself by what west holds: an SVID of the authority before, which has not ended yet.
      assert.equal(await signerOfOurs(), rootBefore);
      process.kill(west.broker.pid(), 'SIGCONT');
      const resumedAt = performance.now();
      await eventually('the workloads meet', async () => (await refusals(east, west)).length === 0);
      context.diagnostic(`west came back ${((performance.now() - resumedAt) / 1000).toFixed(1)} s after it went on`);
      await eventually('our endpoint proves itself by the new root', async () => (await signerOfOurs()) !== rootBefore);
    },
  );
});
