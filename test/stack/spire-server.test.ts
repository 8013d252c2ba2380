// Do two real trust domains come up, federate, rotate by hand, and leave nothing behind?
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Cleanup } from './harness/cleanup.ts';
import { localAuthority } from './harness/local-authority.ts';
import { oracleFetch, oracleParse, oracleVerifyJwt, oracleVerifyX509 } from './harness/oracle.ts';
import { type SpireAgent, startSpireAgent } from './harness/spire-agent.ts';
import { type SpireServer, startSpireServer } from './harness/spire-server.ts';
import { mutualHandshake, verifySvid } from './harness/verify-svid.ts';
import { fingerprintOf, type X509Context } from './harness/x509-context.ts';

const EAST = 'east.test';
const WEST = 'west.test';

interface TrustDomain {
  readonly server: SpireServer;
  readonly agent: SpireAgent;
}

async function startTrustDomain(cleanup: Cleanup, name: string): Promise<TrustDomain> {
  const server = await startSpireServer(cleanup, name, { bundleEndpoint: { refreshHint: '60s' } });
  return { server, agent: await startSpireAgent(cleanup, server) };
}

/** Gives `to` the bundle of `from`, as an operator does by hand; returns the document's path. */
async function copyBundle(from: SpireServer, to: SpireServer): Promise<string> {
  const path = join(to.folder, `${from.trustDomain}.json`);
  writeFileSync(path, await from.bundleDocument());
  await to.cli(['bundle', 'set', '-format', 'spiffe', '-id', `spiffe://${from.trustDomain}`, '-path', path]);
  return path;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('two real trust domains', () => {
  const cleanup = new Cleanup();
  let east: TrustDomain;
  let west: TrustDomain;
  let atEast: X509Context;
  let atWest: X509Context;
  let westBundleFile: string;

  before(async () => {
    [east, west] = await Promise.all([startTrustDomain(cleanup, EAST), startTrustDomain(cleanup, WEST)]);
    westBundleFile = await copyBundle(west.server, east.server);
    await east.agent.registerWorkload({ path: '/payments', federatesWith: [WEST] });
    await west.agent.registerWorkload({ path: '/orders' });
    [atEast, atWest] = await Promise.all([east.agent.waitForX509(), west.agent.waitForX509()]);
  });

  after(async () => {
    const pids = [east.server.pid(), west.server.pid()];
    await cleanup.run();
    assert.deepEqual(pids.filter(isRunning), []);
    assert.ok(!existsSync(east.server.folder));
  });

  it('give their workloads an SVID, their own roots and those of the peers they federate with', () => {
    assert.equal(atEast.svid.spiffeId, 'spiffe://east.test/payments');
    assert.equal(atEast.roots.length, 1);
    assert.deepEqual([...atEast.federatedRoots.keys()], [WEST]);
    assert.deepEqual(atEast.federatedRoots.get(WEST)!.map(fingerprintOf), atWest.roots.map(fingerprintOf));
    assert.equal(atWest.federatedRoots.size, 0);
  });

  it('accept an SVID in a handshake only by the roots of its own trust domain', async () => {
    const eastSide = { svid: atEast.svid, roots: atEast.federatedRoots.get(WEST)! };
    const withoutPeer = { svid: atWest.svid, roots: atWest.roots };
    const verdicts = await mutualHandshake(eastSide, withoutPeer);
    assert.deepEqual(verdicts.client, { ok: true, spiffeId: 'spiffe://west.test/orders' });
    assert.equal(verdicts.server.ok, false);

    assert.equal((await verifySvid(atEast.svid, atEast.roots)).ok, true);
    assert.equal((await verifySvid(atEast.svid, [])).ok, false);
  });

  it('agree with go-spiffe about documents and SVIDs', async () => {
    const [bundle] = await oracleParse(WEST, [westBundleFile]);
    assert.deepEqual(bundle!.roots, atWest.roots.map(fingerprintOf));
    const endpointId = 'spiffe://west.test/spire/server';
    const endpoint = { profile: 'https_spiffe', endpointId, bundleFile: westBundleFile } as const;
    const fetched = await oracleFetch(WEST, west.server.bundleEndpointUrl!, endpoint);
    assert.deepEqual({ file: westBundleFile, ...fetched }, { ...bundle, refreshHintSeconds: 60 });

    const svidFile = join(east.server.folder, 'svid.pem');
    writeFileSync(svidFile, atWest.svid.chainPem);
    assert.deepEqual(await oracleVerifyX509(WEST, westBundleFile, svidFile), {
      ok: true,
      id: 'spiffe://west.test/orders',
    });
    writeFileSync(svidFile, atEast.svid.chainPem);
    assert.equal((await oracleVerifyX509(WEST, westBundleFile, svidFile)).ok, false);
  });

  it('validate a JWT-SVID of a peer that they federate with', async () => {
    const token = await west.agent.fetchJwt('payments');
    assert.deepEqual(await east.agent.validateJwt('payments', token), {
      ok: true,
      spiffeId: 'spiffe://west.test/orders',
    });
    const refused = await east.agent.validateJwt('refunds', token);
    assert.match(refused.ok ? '' : refused.reason, /audience/);

    const tokenFile = join(east.server.folder, 'token.jwt');
    writeFileSync(tokenFile, token);
    assert.equal((await oracleVerifyJwt(WEST, westBundleFile, 'payments', tokenFile)).ok, true);
  });

  for (const kind of ['x509', 'jwt'] as const) {
    it(`rotate a ${kind} authority by hand: prepare, activate, taint, revoke`, async () => {
      const authority = localAuthority(west.server, kind);
      const { active: first } = await authority.show();
      const prepared = await authority.prepare();
      assert.deepEqual((await authority.show()).prepared, prepared);
      await assert.rejects(authority.taint(first!.authorityId), /current local authority|only Old/i);
      assert.deepEqual(await authority.activate(), prepared);
      assert.deepEqual((await authority.show()).old, first);
      await assert.rejects(authority.revoke(), /untainted/);
      assert.equal((await authority.taint()).authorityId, first!.authorityId);
      assert.equal((await authority.revoke()).authorityId, first!.authorityId);
      assert.deepEqual((await authority.show()).active, prepared);
    });
  }

  it('come back after a crash with the same authorities', async () => {
    const before = await localAuthority(west.server, 'x509').show();
    const roots = await west.server.bundlePem();
    await west.server.kill();
    await assert.rejects(west.server.bundlePem());
    await west.server.restart();
    assert.deepEqual((await localAuthority(west.server, 'x509').show()).active, before.active);
    assert.equal(await west.server.bundlePem(), roots);
  });
});
