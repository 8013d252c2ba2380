// How long after "fedbroker quarantine" is a peer cut off at the workload, and does "release" bring it back?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Cleanup } from './harness/cleanup.ts';
import { gateway, requestByTls } from './harness/envoy-config.ts';
import { startEnvoy } from './harness/envoy.ts';
import { eventually } from './harness/eventually.ts';
import { startFederatedPair, type FederatedSide } from './harness/federated-pair.ts';
import { freePort } from './harness/free-ports.ts';
import { openApi, storedRoots } from './harness/stored-roots.ts';
import type { X509Context } from './harness/x509-context.ts';

/** SPIRE's agents ask every 5 s; the broker of this test looks at its peers folder every 200 ms. */
const CUT_OFF_WITHIN_MS = 15_000;

describe('a peer is quarantined by one command', () => {
  const cleanup = new Cleanup();
  let east: FederatedSide;
  let west: FederatedSide;
  let westWorkload: X509Context;
  let port: number;

  before(async () => {
    [east, west] = await startFederatedPair(cleanup, ['east.test', 'west.test']);
    await east.agent.waitForX509(({ federatedRoots }) => federatedRoots.has('west.test'));
    westWorkload = await west.agent.waitForX509();
    port = await freePort();
    await startEnvoy(cleanup, gateway(port, east.agent.socketPath, 'spiffe://east.test/workload'));
    await eventually('Envoy accepts west', async () => (await request()) === 'HTTP/1.1 200 OK');
  });
  after(() => cleanup.run());

  function request(): Promise<string> {
    const { svid } = westWorkload;
    return requestByTls(port, { chainPem: svid.chainPem, keyPem: svid.privateKeyPem });
  }

  it('loses bundle, links and roots, at the agent and at Envoy, within seconds', async (context) => {
    const beginsAt = performance.now();
    const { exitCode, stdout, stderr } = await east.broker.cli(['quarantine', 'west', '--reason', 'lost a key']);
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /west\.yaml: quarantined/);
    const writtenAt = performance.now();
    const api = openApi(cleanup, east.server);
    await eventually('SPIRE has no bundle', async () => (await storedRoots(api, 'west.test')) === undefined);
    const spireAt = performance.now();
    await east.agent.waitForX509(({ federatedRoots }) => !federatedRoots.has('west.test'));
    const agentAt = performance.now();
    while ((await request().catch(() => 'refused')) !== 'refused') await pause(50);
    const envoyAt = performance.now();
    const times = { command: writtenAt - beginsAt, spire: spireAt - writtenAt, workloadApi: agentAt - writtenAt };
    const seconds = Object.entries({ ...times, envoy: envoyAt - writtenAt }).map(
      ([what, ms]) => `${what} ${(ms / 1000).toFixed(2)} s`,
    );
    context.diagnostic(`cut off: ${seconds.join(', ')}`);
    assert.ok(envoyAt - writtenAt < CUT_OFF_WITHIN_MS);
    const [entry] = await api.listEntries();
    assert.deepEqual(entry?.federatesWith, []);
    const peer = await east.broker.waitForPeer('west.test', ({ conditions }) =>
      conditions.some(({ type, reason }) => type === 'Ready' && reason === 'Quarantined'),
    );
    assert.match(JSON.stringify(peer.conditions), /quarantined: lost a key/);
  });

  it('comes back by "release"', async () => {
    const { exitCode, stderr } = await east.broker.cli(['release', 'west']);
    assert.equal(exitCode, 0, stderr);
    await east.broker.waitForPeer('west.test');
    await east.agent.waitForX509(({ federatedRoots }) => federatedRoots.has('west.test'));
    await eventually('Envoy accepts west', async () => (await request()) === 'HTTP/1.1 200 OK');
  });
});
