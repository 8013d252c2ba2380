// Is every change of trust on record, and the chain whole, through a rotation in whose midst the broker is killed -9?
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { AuditRecord } from '../../src/audit/chain.ts';
import type { SpireServerClient } from '../../src/spire/spire-server.ts';
import { declarationOf, startBroker, type Broker } from './harness/broker.ts';
import { Cleanup } from './harness/cleanup.ts';
import { eventually } from './harness/eventually.ts';
import { localAuthority } from './harness/local-authority.ts';
import { startSpireProxy, type SpireProxy } from './harness/spire-proxy.ts';
import { startSpireServer, type SpireServer } from './harness/spire-server.ts';
import { openApi, ownRoots, storedRoots } from './harness/stored-roots.ts';

describe('a broker with auditRequired beside SPIRE', () => {
  const cleanup = new Cleanup();
  let east: SpireServer;
  let west: SpireServer;
  let eastBroker: Broker;
  let broker: Broker;
  let proxy: SpireProxy;
  let [eastApi, westApi]: SpireServerClient[] = [];
  let auditFile: string;

  before(async () => {
    [east, west] = await Promise.all([startSpireServer(cleanup, 'east.test'), startSpireServer(cleanup, 'west.test')]);
    [eastApi, westApi] = [openApi(cleanup, east), openApi(cleanup, west)];
    eastBroker = await startBroker(cleanup, east);
    proxy = await startSpireProxy(cleanup, west.folder, west.socketPath);
    auditFile = join(west.folder, 'audit.jsonl');
    broker = await startBroker(cleanup, west, {
      'spire-socket': proxy.socketPath,
      'audit-file': auditFile,
      'audit-required': 'on',
    });
    broker.declare('east', await declarationOf(eastBroker, east));
    await broker.waitForPeer('east.test');
  });
  after(() => cleanup.run());

  const records = () =>
    readFileSync(auditFile, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as AuditRecord);
  const inStep = () =>
    eventually('west holds exactly the roots of east', async () => {
      const [own, stored] = [await ownRoots(eastApi!), await storedRoots(westApi!, 'east.test')];
      return own.length > 0 && own.join() === stored?.join();
    });
  const rotate = async () => {
    const authority = localAuthority(east, 'x509');
    await authority.prepare();
    await inStep();
    await authority.activate();
    await authority.taint();
    await authority.revoke();
    await inStep();
  };

  it('records a rotation of the peer, and nothing afterwards', async () => {
    const before = records().length;
    await rotate();
    const stores = records().slice(before);
    assert.ok(stores.filter((record) => record.kind === 'ChangeIntended').length >= 2);
    await broker.waitForPeer('east.test');
    const { exitCode, stdout } = await broker.cli(['audit', 'verify']);
    assert.equal(exitCode, 0, stdout);
    assert.match(stdout, /whole; the head that the running broker tells is in it/);
    const count = records().length;
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    assert.equal(records().length, count);
  });

  it('has a whole chain after it is killed between a write and its outcome, and after it goes on', async () => {
    const before = records().length;
    const killed = new Promise<void>((resolve, reject) => {
      proxy.loseAnswer(1, () => {
        broker.kill().then(resolve, reject);
      });
    });
    await localAuthority(east, 'x509').prepare();
    await killed;
    const open = await broker.cli(['audit', 'verify']);
    assert.equal(open.exitCode, 0, open.stdout);
    assert.match(open.stdout, /StoreBundle east\.test was begun; its outcome is not known/);
    await broker.restart();
    await inStep();
    await broker.waitForPeer('east.test');
    const after = records().slice(before);
    assert.ok(after.some((record) => record.kind === 'ChangeEnded' && record.result === 'Unknown'));
    const { exitCode, stdout } = await broker.cli(['audit', 'verify']);
    assert.equal(exitCode, 0, stdout);
    assert.doesNotMatch(stdout, /outcome is not known/);
    const shown = await broker.cli(['audit', 'show', '--peer', 'east']);
    assert.equal(shown.exitCode, 0);
    assert.match(shown.stdout, /DeclarationTakenUp {2}east\.test/);
  });
});
