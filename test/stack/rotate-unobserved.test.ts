// Is a peer without a broker, whose SPIRE only polls, given the time that a led rotation says it gives?
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { startSide, type FederatedSide } from './harness/federated-pair.ts';
import { leadRotation } from './harness/led-rotation.ts';
import { startSpireAgent, type SpireAgent } from './harness/spire-agent.ts';
import { startSpireServer, type SpireServer } from './harness/spire-server.ts';
import { openApi, storedRoots } from './harness/stored-roots.ts';
import { keepMeeting, refusals } from './harness/workload-meetings.ts';

const HINT_SECONDS = 5;
/** docs/rotation.md: five refresh hints after publication. SPIRE itself asks every 15 s at its shortest interval. */
const GIVEN_MS = 5 * HINT_SECONDS * 1000;

describe('a led rotation beside a peer whose SPIRE polls by itself', () => {
  const cleanup = new Cleanup();
  let east: FederatedSide;
  let polling: { readonly trustDomain: string; readonly server: SpireServer; readonly agent: SpireAgent };
  before(async () => {
    const [side, server] = await Promise.all([
      startSide(cleanup, 'east.test', {
        server: { x509SvidTtl: '1m' },
        flags: { 'refresh-hint-seconds': HINT_SECONDS },
      }),
      startSpireServer(cleanup, 'polling.test', { bundleEndpoint: { refreshHint: '5s' } }),
    ]);
    east = side;
    const agent = await startSpireAgent(cleanup, server);
    polling = { trustDomain: 'polling.test', server, agent };
    const path = join(server.folder, 'east.json');
    writeFileSync(path, await east.server.bundleDocument());
    await server.cli([
      ...['federation', 'create', '-trustDomain', 'east.test', '-bundleEndpointURL', east.broker.endpointUrl],
      ...['-bundleEndpointProfile', 'https_spiffe', '-endpointSpiffeID', east.broker.endpointSpiffeId],
      ...['-trustDomainBundlePath', path, '-trustDomainBundleFormat', 'spiffe'],
    ]);
    await agent.registerWorkload({ path: '/workload', federatesWith: ['east.test'] });
    east.broker.declare('polling', {
      trustDomain: 'polling.test',
      bundleEndpointURL: server.bundleEndpointUrl,
      bundleEndpointProfile: { type: 'https_spiffe', endpointSPIFFEID: 'spiffe://polling.test/spire/server' },
      trustDomainBundle: { inline: await server.bundleDocument() },
      federatesWith: { entries: [{ spiffeID: 'spiffe://east.test/workload' }] },
    });
    await east.broker.waitForPeer('polling.test');
    await eventually('the workloads meet', async () => (await refusals(east, polling)).length === 0);
  });
  after(() => cleanup.run());

  it(
    'waits the computed time, says that nothing was observed, and no handshake fails',
    { timeout: 240_000 },
    async () => {
      const over = new AbortController();
      const meeting = keepMeeting([east, polling], over.signal);
      const rotation = leadRotation(cleanup, east.broker, east.server.socketPath);
      await eventually('it waits for who is not observed', () => rotation.output().includes('wait (PeersUnobserved)'));
      const { stdout, exitCode: alarm } = await east.broker.cli(['rotation', 'status']);
      assert.match(
        stdout,
        /prepared .*, held by 0 of 1 peers\n {2}polling\.test is not observed: it will have had the time/,
      );
      assert.equal(alarm, 0, stdout);
      assert.equal(await rotation.exitCode, 0, rotation.output());

      const said = (what: string) =>
        Date.parse(new RegExp(`^(\\S+) {2}${what}: `, 'm').exec(rotation.output())?.[1] ?? '');
      // The lines are cut to whole seconds.
      assert.ok(said('activate') - said('prepare') >= GIVEN_MS - 1000, rotation.output());
      assert.match(
        rotation.output(),
        /^observed: held by no peer\nnot observed: polling\.test; it was given the time/m,
      );
      assert.equal((await storedRoots(openApi(cleanup, polling.server), 'east.test'))?.length, 2);
      over.abort();
      assert.deepEqual((await meeting).failed, []);
    },
  );
});
