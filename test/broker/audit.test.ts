// Is every change of trust written down before and after it is made, and none made that cannot be, where that is asked?
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { AuditFile } from '../../src/audit/audit-file.ts';
import type { AuditRecord } from '../../src/audit/chain.ts';
import { nodeFiles, type FileAccess } from '../../src/audit/file-access.ts';
import { verifyChain } from '../../src/audit/verify-chain.ts';
import { Auditor } from '../../src/broker/auditor.ts';
import { bundleDigest } from '../../src/bundle/bundle.ts';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import { systemClock } from '../../src/federation/clock.ts';
import { bundleOf, EAST, NORTH, peerOf, selecting, WEST } from '../federation/samples.ts';
import { readiness, ScriptedSource, startSide, until, type Side } from './side.ts';

const westUrl = peerOf(WEST).bundleEndpointUrl;

describe('a broker with an audit file', () => {
  let side: Side;
  let source: ScriptedSource;
  let folder: string;
  let path: string;
  /** Set: every record fails. */
  let isFull: boolean;

  beforeEach(async () => {
    side = await startSide(EAST);
    source = new ScriptedSource();
    source.publish(westUrl, bundleOf(WEST));
    folder = mkdtempSync(join(tmpdir(), 'fb-audit-'));
    path = join(folder, 'audit.jsonl');
    isFull = false;
  });
  afterEach(async () => {
    await side.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const files: FileAccess = {
    ...nodeFiles,
    open: (...parameters) => {
      if (isFull) return Promise.reject(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }));
      return nodeFiles.open(...parameters);
    },
  };
  const auditor = (isRequired = false) =>
    new Auditor({
      trail: new AuditFile({ path, maxBytes: 2 ** 20, writer: 'broker@test', files }),
      isRequired,
      clock: systemClock,
    });
  const web = (name: TrustDomain, changes: Parameters<typeof peerOf>[1] = {}) =>
    peerOf(name, { profile: { type: 'https_web' }, ...changes });
  const records = () =>
    readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as AuditRecord);
  const told = () =>
    records().map((record) => {
      if (record.kind === 'ChangeIntended') return `${record.change} ${record.cause}`;
      if (record.kind === 'ChangeEnded') return `${record.result} ${record.intention}`;
      if (record.kind === 'VerdictChanged') return `${record.verdict} ${record.reason ?? ''}`.trim();
      return record.kind;
    });
  const ready = () => until('ready', () => readiness(side.peer(WEST)) === 'True Ready');
  const quiet = async () => {
    for (let before = -1; before !== side.reports.length;) {
      before = side.reports.length;
      await pause(150);
    }
  };

  it('records a peer from its declaration to its removal, and nothing in between', async () => {
    await side.createEntry('/pay/api');
    side.declare([web(WEST, { entrySelectors: selecting('/**') })]);
    await side.startBroker(source, { auditor: auditor() });
    await ready();
    await until('linked', () => (side.peer(WEST)?.entriesFederated ?? 0) === 1);
    await quiet();
    const declared = [
      'ChainBegun',
      'DeclarationTakenUp',
      'RecordManagedPeers Declaration',
      'StoreBundle Peer',
      'UpdateEntries Declaration',
    ];
    const ofKind = (kind: string) => told().filter((line) => line.startsWith(kind));
    for (const line of declared) assert.equal(ofKind(line).length, 1, `${line} in ${told().join(', ')}`);
    assert.equal(ofKind('Done').length, 3);
    const before = records().length;
    await pause(600);
    assert.equal(records().length, before, 'steady state');
    const storing = records().find((record) => record.kind === 'ChangeIntended' && record.change === 'StoreBundle');
    assert.equal(storing?.kind === 'ChangeIntended' && storing.after, bundleDigest(bundleOf(WEST)));
    side.declare([]);
    await until('gone', async () => (await side.spire.getFederatedBundle(WEST)) === undefined);
    await quiet();
    for (const line of ['DeclarationWithdrawn', 'UpdateEntries Withdrawal', 'DeleteBundle Withdrawal']) {
      assert.equal(ofKind(line).length, 1, `${line} in ${told().join(', ')}`);
    }
    await until('what was begun is ended', async () => (await verifyChain({ path })).open.length === 0);
    assert.equal((await verifyChain({ path })).fault, undefined);
  });

  it('records a verdict once, and again when it changes, also across a restart', async () => {
    side.declare([web(WEST)]);
    const first = await side.startBroker(source, { auditor: auditor() });
    await ready();
    source.answer(westUrl, () => Promise.resolve(Buffer.from('{"keys":[]}')));
    await until('held', () => readiness(side.peer(WEST)) === 'False EmptyBundle');
    await quiet();
    await first.stop();
    await side.startBroker(source, { auditor: auditor() });
    await until('held', () => readiness(side.peer(WEST)) === 'False EmptyBundle');
    await quiet();
    source.publish(westUrl, bundleOf(WEST));
    await ready();
    await quiet();
    const verdicts = told().filter((line) => /^(held|refused|accepted)/.test(line));
    assert.deepEqual(verdicts, ['held EmptyBundle', 'accepted']);
    assert.equal(told().filter((line) => line === 'DeclarationTakenUp').length, 1);
  });

  it('tells what was put back because somebody else had changed it', async () => {
    side.declare([web(WEST)]);
    await side.startBroker(source, { auditor: auditor() });
    await ready();
    await quiet();
    await side.spire.setFederatedBundles([bundleOf(WEST, [1], { sequenceNumber: 1n })]);
    await until('put back', async () => {
      const held = await side.spire.getFederatedBundle(WEST);
      return held !== undefined && bundleDigest(held) === bundleDigest(bundleOf(WEST));
    });
    await until('recorded', () => told().includes('StoreBundle Drift'));
  });

  it('makes no change that it cannot record, where that is required, and makes it when it can', async () => {
    isFull = true;
    side.declare([web(WEST)]);
    await side.startBroker(source, { auditor: auditor(true) });
    await until('refused', () => readiness(side.peer(WEST)) === 'False AuditUnwritable');
    const message = side.peer(WEST)?.conditions.find(({ type }) => type === 'BundleStored')?.message ?? '';
    assert.match(message, /cannot be recorded and auditRequired is on .*the disk is full/);
    await quiet();
    assert.deepEqual(side.dev.record.writes(), []);
    isFull = false;
    await ready();
    const { fault, open } = await verifyChain({ path });
    assert.deepEqual([fault, open], [undefined, []]);
    assert.ok(!told().includes('RecordsLost'));
  });

  it('makes the change all the same, where it is not required, and records the gap', async () => {
    isFull = true;
    side.declare([web(WEST)]);
    const audit = auditor();
    const broker = await side.startBroker(source, { auditor: audit });
    await ready();
    await quiet();
    const status = broker.status().audit;
    assert.equal(status?.unwritable?.reason, 'AuditUnwritable');
    assert.equal(status.lost, 2);
    isFull = false;
    await audit.mend();
    const gap = records().find((record) => record.kind === 'RecordsLost');
    assert.deepEqual(gap?.kind === 'RecordsLost' && [gap.count, gap.reason.includes('disk is full')], [2, true]);
    assert.deepEqual([broker.status().audit?.lost, broker.status().audit?.unwritable], [0, undefined]);
  });

  it('shows an intention without its outcome when it is killed in between, and says so when it starts again', async () => {
    const trail = new AuditFile({ path, maxBytes: 2 ** 20, writer: 'broker@test' });
    const killed = new Auditor({ trail, isRequired: true, clock: systemClock });
    await killed.intend([
      { kind: 'ChangeIntended', change: 'StoreBundle', cause: 'Peer', trustDomains: [NORTH], why: 'published' },
    ]);
    assert.equal((await verifyChain({ path })).open.length, 1);
    const next = new AuditFile({ path, maxBytes: 2 ** 20, writer: 'broker@test' });
    await next.closeOwnChanges();
    assert.deepEqual((await verifyChain({ path })).open, []);
    assert.equal(told().at(-1), 'Unknown 2');
  });

  it('begins a new file after the old one was moved away, as the continuation of the same chain', async () => {
    side.declare([web(WEST)]);
    const broker = await side.startBroker(source, { auditor: auditor(true) });
    await ready();
    await quiet();
    const after = broker.status().audit?.head?.hash ?? '';
    renameSync(path, join(folder, 'archived'));
    source.publish(westUrl, bundleOf(WEST, [0, 1], { sequenceNumber: 8n }));
    await until('recorded', () => broker.status().audit?.head?.hash !== after);
    await quiet();
    assert.equal((await verifyChain({ path })).fault?.code, 'BeginningMissing');
    assert.equal((await verifyChain({ path, after })).fault, undefined);
  });
});
