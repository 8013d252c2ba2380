// Does the embedded SPIRE Server do what tests and the demo need beyond the API?
import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { status as GrpcStatus } from '@grpc/grpc-js';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { startDevSpire, type DevSpire, type DevSpireOptions } from '../../src/dev-spire/dev-spire.ts';
import { openSpireServer, type SpireServerClient } from '../../src/spire/spire-server.ts';
import { makeBundle, spireError } from '../contract/contract-subject.ts';
import { makeSigningRequest } from '../contract/signing-request.ts';

const EAST = parseTrustDomain('east.test');
const WEST = parseTrustDomain('west.test');
const CONFIGURED = parseTrustDomain('configured.test');
const CA_LIFETIME_SECONDS = 600;
const START = new Date('2030-01-01T00:00:00Z');

describe('embedded SPIRE Server', () => {
  let folder = '';
  let now = START;
  let fetched: string[] = [];
  let dev: DevSpire | undefined;
  let spire: SpireServerClient | undefined;

  async function restart(options: Partial<DevSpireOptions> = {}): Promise<void> {
    await stop();
    const socketPath = join(folder, 'api.sock');
    dev = await startDevSpire({
      trustDomain: EAST,
      socketPath,
      now: () => now,
      caLifetimeSeconds: CA_LIFETIME_SECONDS,
      configuredRelationships: [CONFIGURED],
      ...options,
    });
    spire = openSpireServer({ socketPath, trustDomain: EAST });
  }
  async function stop(): Promise<void> {
    spire?.close();
    await dev?.stop();
  }
  function passSeconds(seconds: number): void {
    now = new Date(now.getTime() + seconds * 1000);
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dev-spire-'));
  });
  beforeEach(async () => {
    now = START;
    fetched = [];
    await restart();
  });
  after(async () => {
    await stop();
    await rm(folder, { recursive: true });
  });

  describe('clock', () => {
    for (const kind of ['x509', 'jwt'] as const) {
      it(`prepares the next ${kind} authority at half life and activates it at five sixths`, async () => {
        const first = await spire!.localAuthorities[kind].state();
        passSeconds(CA_LIFETIME_SECONDS / 2);
        await dev!.rotateByClock();
        assert.equal((await spire!.localAuthorities[kind].state()).prepared, undefined);
        passSeconds(1);
        await dev!.rotateByClock();
        const { active, prepared } = await spire!.localAuthorities[kind].state();
        assert.equal(active.id, first.active.id);
        passSeconds(CA_LIFETIME_SECONDS / 3);
        await dev!.rotateByClock();
        const last = await spire!.localAuthorities[kind].state();
        assert.deepEqual([last.active.id, last.old?.id], [prepared?.id, first.active.id]);
      });
    }

    it('prepares and activates in one tick when it looks too late', async () => {
      const first = dev!.x509.activeId;
      passSeconds(CA_LIFETIME_SECONDS - 1);
      await dev!.rotateByClock();
      assert.notEqual(dev!.x509.activeId, first);
    });

    it('forgets an authority a day after it expired', async () => {
      passSeconds(CA_LIFETIME_SECONDS - 1);
      await dev!.rotateByClock();
      const [first] = (await spire!.readOwnBundle()).x509Authorities;
      passSeconds(24 * 3600);
      await dev!.rotateByClock();
      assert.deepEqual((await spire!.readOwnBundle()).x509Authorities[0], first);
      const sequence = await spire!.readOwnSequenceNumber();
      passSeconds(2);
      await dev!.rotateByClock();
      assert.notDeepEqual((await spire!.readOwnBundle()).x509Authorities[0], first);
      assert.equal(await spire!.readOwnSequenceNumber(), (sequence ?? 0n) + 1n);
    });

    it('never lets an SVID outlive the root that signed it', async () => {
      passSeconds(CA_LIFETIME_SECONDS - 60);
      const csr = await makeSigningRequest({ uris: [`spiffe://${EAST}/a`] });
      const { expiresAt } = await spire!.mintX509Svid(csr, 3600);
      assert.equal(expiresAt.getTime(), START.getTime() + CA_LIFETIME_SECONDS * 1000);
    });
  });

  describe('rotation on request', () => {
    it('goes through prepare, activate, taint and revoke', async () => {
      const first = dev!.x509.activeId;
      const next = await dev!.x509.prepare();
      assert.equal((await spire!.localAuthorities.x509.state()).prepared?.id, next);
      assert.equal(dev!.x509.activate(next), next);
      dev!.x509.taint(first);
      dev!.x509.revoke(first);
      assert.equal((await spire!.readOwnBundle()).x509Authorities.length, 1);
      const formerKey = dev!.jwt.activeId;
      assert.notEqual(await dev!.jwt.rotate(), formerKey);
      assert.equal((await spire!.localAuthorities.jwt.state()).old?.id, formerKey);
    });
  });

  describe('poller', () => {
    it('knows the relationships of the configuration file, which no list shows', async () => {
      assert.deepEqual(await spire!.listFederationRelationships(), []);
      await assert.rejects(spire!.refreshBundle(CONFIGURED), spireError('SpireInternal', 'failed to refresh bundle: '));
      assert.equal(await spire!.refreshBundle(WEST), 'NotManaged');
    });

    it('fetches by the function it is given', async () => {
      await restart({
        fetchBundle: (trustDomain) => {
          fetched.push(trustDomain);
          return Promise.resolve();
        },
      });
      assert.equal(await spire!.refreshBundle(CONFIGURED), 'Refreshed');
      assert.deepEqual(fetched, [CONFIGURED]);
    });
  });

  describe('record and faults', () => {
    it('counts calls and tells writes from reads', async () => {
      await spire!.countEntries();
      await spire!.setFederatedBundles([await makeBundle(WEST)]);
      assert.deepEqual(
        dev!.record.calls().map(({ rpc }) => rpc),
        ['CountEntries', 'BatchSetFederatedBundle'],
      );
      assert.deepEqual(dev!.record.calls('CountEntries'), [{ rpc: 'CountEntries', at: START }]);
      assert.equal(dev!.record.writes().length, 1);
      dev!.record.forget();
      assert.deepEqual(dev!.record.calls(), []);
    });

    it('refuses one call and does the next', async () => {
      dev!.failNext('CountEntries', { type: 'Refuse', code: GrpcStatus.PERMISSION_DENIED, text: 'no' });
      await assert.rejects(spire!.countEntries(), spireError('SpirePermissionDenied'));
      assert.equal(await spire!.countEntries(), 0);
    });

    it('does the work of a call whose answer is lost', async () => {
      dev!.failNext('BatchSetFederatedBundle', { type: 'LoseAnswer' });
      const [outcome] = await spire!.setFederatedBundles([await makeBundle(WEST)]);
      assert.equal(outcome?.ok, false);
      assert.notEqual(await spire!.getFederatedBundle(WEST), undefined);
    });

    it('does a delayed call in the end', async () => {
      dev!.failNext('CountEntries', { type: 'Delay', delayMs: 20 });
      assert.equal(await spire!.countEntries(), 0);
    });
  });

  it('keeps what it holds while nobody can reach it', async () => {
    await spire!.setFederatedBundles([await makeBundle(WEST)]);
    await dev!.stopListening();
    await assert.rejects(stat(dev!.socketPath), { code: 'ENOENT' });
    await dev!.startListening();
    const again = openSpireServer({ socketPath: dev!.socketPath, trustDomain: EAST });
    assert.notEqual(await again.getFederatedBundle(WEST), undefined);
    again.close();
  });

  it('starts over a socket that a killed server left behind, and lets only owner and group in', async () => {
    const socketPath = join(folder, 'second.sock');
    const first = await startDevSpire({ trustDomain: EAST, socketPath });
    const second = await startDevSpire({ trustDomain: EAST, socketPath });
    assert.equal((await stat(socketPath)).mode & 0o777, 0o770);
    await second.stop();
    await first.stop();
  });

  it('cannot start where there is no folder', async () => {
    await assert.rejects(startDevSpire({ trustDomain: EAST, socketPath: join(folder, 'none', 'api.sock') }));
  });
});
