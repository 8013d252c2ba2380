// Is a rotation led right among three trust domains: does it wait for the slow peer alone, and does nobody notice?
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { AuthorityReadiness } from '../../src/rotation/readiness.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { federateSides, startSide, type FederatedSide } from './harness/federated-pair.ts';
import { leadRotation } from './harness/led-rotation.ts';
import { localAuthority } from './harness/local-authority.ts';
import { openApi, ownRoots, storedRoots } from './harness/stored-roots.ts';
import { keepMeeting, refusals } from './harness/workload-meetings.ts';

const OPTIONS = {
  server: { x509SvidTtl: '1m' },
  flags: { 'refresh-hint-seconds': 5, 'long-poll-seconds': 5 },
};
const STOPPED_MS = 18_000;
/** Far less than the slow peer is stopped. */
const HELD_WITHIN_MS = 8_000;

/** The X.509 authority that comes next, as the broker's /status says it. */
async function preparedAt({ broker }: FederatedSide): Promise<AuthorityReadiness | undefined> {
  const { rotation } = await broker.status();
  if (rotation === undefined || 'reason' in rotation) return undefined;
  const x509 = rotation.kinds.find(({ kind }) => kind === 'x509');
  return x509?.authorities.find(({ state }) => state === 'Prepared');
}

describe('a rotation that is led, of one of three trust domains', () => {
  const cleanup = new Cleanup();
  let east: FederatedSide;
  let west: FederatedSide;
  let south: FederatedSide;
  before(async () => {
    [east, west, south] = await Promise.all([
      startSide(cleanup, 'east.test', OPTIONS),
      startSide(cleanup, 'west.test', OPTIONS),
      startSide(cleanup, 'south.test', OPTIONS),
    ]);
    await Promise.all([federateSides(east, west), federateSides(west, south), federateSides(south, east)]);
    await eventually('the workloads meet', async () => (await refusals(east, west, south)).length === 0);
    await eventually('both peers have told what they hold', async () => {
      const { stdout } = await east.broker.cli(['rotation', 'status']);
      return stdout.includes('held by 2 of 2 peers');
    });
  });
  after(() => cleanup.run());

  it(
    'waits for the slow peer, not the other one for it, and no handshake fails',
    { timeout: 120_000 },
    async (context) => {
      const api = openApi(cleanup, east.server);
      const [westApi, southApi] = [openApi(cleanup, west.server), openApi(cleanup, south.server)];
      const before = await ownRoots(api);
      const { active } = await localAuthority(east.server, 'x509').show();
      const over = new AbortController();
      const meeting = keepMeeting([east, west, south], over.signal);
      const startMs = performance.now();
      process.kill(west.broker.pid(), 'SIGSTOP');
      const args = ['--taint-old', '--revoke-old', '--revoke-after', '10s'];
      const rotation = leadRotation(cleanup, east.broker, east.server.socketPath, args);

      const prepared = await eventually('the next authority is known', () => preparedAt(east), { intervalMs: 20 });
      const preparedMs = performance.now();
      const held = await eventually(
        'south holds it',
        async () => {
          const now = await preparedAt(east);
          return now?.heldBy.some(({ trustDomain }) => trustDomain === 'south.test') === true && now;
        },
        { timeoutMs: HELD_WITHIN_MS, intervalMs: 20 },
      );
      const heldMs = performance.now();
      assert.equal(held.id, prepared.id);
      assert.deepEqual(
        held.missing.map(({ trustDomain }) => trustDomain),
        ['west.test'],
      );
      assert.ok((await storedRoots(southApi, 'east.test'))?.includes(held.fingerprint!));
      const { stdout } = await east.broker.cli(['rotation', 'status']);
      assert.match(stdout, /prepared .+, held by 1 of 2 peers\n {2}west\.test does not hold it/);
      assert.ok(!stdout.includes('south.test does not'));

      await pause(STOPPED_MS - (performance.now() - startMs));
      assert.match(rotation.output(), /held by 1 of 2 peers; not yet by west\.test/);
      const stillWaits = await localAuthority(east.server, 'x509').show();
      assert.equal(stillWaits.active?.authorityId, active?.authorityId);
      assert.equal(stillWaits.prepared?.authorityId, prepared.id);
      process.kill(west.broker.pid(), 'SIGCONT');
      const goesOnMs = performance.now();

      assert.equal(await rotation.exitCode, 0, rotation.output());
      const endMs = performance.now();
      assert.equal((await localAuthority(east.server, 'x509').show()).active?.authorityId, prepared.id);
      assert.match(rotation.output(), /observed: held by south\.test, west\.test/);
      const roots = await ownRoots(api);
      assert.deepEqual(roots, [held.fingerprint]);
      assert.ok(!before.includes(roots[0]!));
      for (const peerApi of [westApi, southApi]) {
        await eventually(
          'the peer has the new root alone',
          async () => (await storedRoots(peerApi, 'east.test'))?.join() === roots.join(),
        );
      }
      over.abort();
      const { handshakes, failed } = await meeting;
      const seconds = (ms: number) => (ms / 1000).toFixed(1);
      const perSecond = (handshakes * 1000) / (performance.now() - startMs);
      context.diagnostic(
        `${handshakes} handshakes (${perSecond.toFixed(1)} a second), ${failed.length} refusals; south held it after ` +
          `${seconds(heldMs - preparedMs)} s, west was stopped ${seconds(goesOnMs - startMs)} s, done ` +
          `${seconds(endMs - goesOnMs)} s later`,
      );
      assert.deepEqual(failed, [], rotation.output());
      assert.ok(perSecond > 2);
    },
  );
});
