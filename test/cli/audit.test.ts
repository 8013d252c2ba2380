// Do `fedbroker audit verify` and `audit show` tell an operator what is on record, and when it is not whole?
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { AuditFile } from '../../src/audit/audit-file.ts';
import { auditCommand } from '../../src/cli/audit.ts';
import { isUsageError } from '../../src/cli/command.ts';
import { resolveConfig } from '../../src/config.ts';
import { ended, NORTH, storing, WEST } from '../audit/samples.ts';

describe('fedbroker audit', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fb-audit-cli-'));
  const path = join(folder, 'audit.jsonl');
  let head: string;

  before(async () => {
    const file = new AuditFile({ path, maxBytes: 2 ** 20, writer: 'broker@test' });
    const declared = { kind: 'DeclarationTakenUp', trustDomains: [WEST], peer: 'west', declaration: 'aa' } as const;
    await file.append([declared]);
    const [intention] = await file.append([storing('first')]);
    await file.append([ended(intention!.record), storing('second', NORTH)]);
    head = file.head!.hash;
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  async function run(...argv: readonly string[]) {
    let [printed, explained] = ['', ''];
    const commandLine = ['--audit-file', path, '--admin-address', 'off', ...argv];
    const resolved = resolveConfig({
      argv: commandLine,
      environment: {},
      readFile: () => '',
      commandFlags: auditCommand.flags,
    });
    const exitCode = await auditCommand.run({
      ...resolved,
      stdin: Readable.from([]),
      cacheFolder: folder,
      print: (text) => {
        printed += text;
      },
      explain: (text) => {
        explained += text;
      },
      signal: new AbortController().signal,
    });
    return { exitCode, printed, explained };
  }

  it('verifies a whole chain, names what is open and says that no head was compared', async () => {
    const { exitCode, printed } = await run('verify');
    assert.equal(exitCode, 0);
    assert.match(printed, /^5 records in audit\.jsonl, from 1 to 5\nhead [0-9a-f]{64}\n/);
    assert.match(
      printed,
      /record 5: StoreBundle north\.example was begun; its outcome is not known, which is no damage/,
    );
    assert.match(printed, /no head was compared/);
  });

  it('finds the head that is given, and misses one that is not there', async () => {
    assert.equal((await run('verify', '--head', head)).exitCode, 0);
    const { exitCode, printed } = await run('verify', '--head', `${head},${'0'.repeat(64)}`);
    assert.equal(exitCode, 1);
    assert.match(printed, /NOT WHOLE \(HeadMissing\)/);
  });

  it('tells as JSON where the chain is broken', async () => {
    const whole = readFileSync(path, 'utf8');
    writeFileSync(path, whole.replace('"StoreBundle"', '"StoreBundlE"'));
    const { exitCode, printed } = await run('verify', '--output', 'json');
    const shown = await run('show');
    writeFileSync(path, whole);
    assert.equal(exitCode, 1);
    const { fault } = JSON.parse(printed) as { fault: { code: string; line: number } };
    assert.deepEqual([fault.code, fault.line], ['HashWrong', 3]);
    assert.deepEqual([shown.exitCode, shown.explained.includes('NOT WHOLE')], [1, true]);
  });

  it('shows the records of one peer, by its name or its trust domain', async () => {
    for (const name of ['west', 'west.example']) {
      const { exitCode, printed } = await run('show', '--peer', name);
      assert.equal(exitCode, 0);
      const lines = printed.trimEnd().split('\n');
      assert.equal(lines.length, 3);
      assert.match(lines[1]!, /StoreBundle none → [0-9a-f]{12}: first is published \[Peer\] {2}\(broker@test\)$/);
      assert.match(lines[2]!, /of 3: Done/);
    }
  });

  it('says of which change the outcome is not known, beside the records and only for its peer', async () => {
    const said = 'the outcome of record 5 (StoreBundle) is not known: broker@test is at it';
    for (const [args, isSaid] of [
      [['show'], true],
      [['show', '--peer', 'north.example'], true],
      [['show', '--peer', 'west'], false],
    ] as const) {
      const { exitCode, explained } = await run(...args);
      assert.deepEqual([exitCode, explained.includes(said)], [0, isSaid], explained);
    }
  });

  it('shows records as they are, since a time or for so long', async () => {
    const lines = (await run('show', '--output', 'json', '--since', '1h')).printed.trimEnd().split('\n');
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { record: number }).record),
      [1, 2, 3, 4, 5],
    );
    assert.equal((await run('show', '--since', '2099-01-01T00:00:00Z')).printed, '');
  });

  it('says what it cannot be asked', async () => {
    for (const argv of [
      ['prove'],
      [],
      ['show', '--head', head],
      ['verify', '--head', 'abc'],
      ['show', '--since', 'once'],
    ]) {
      await assert.rejects(run(...argv), isUsageError, argv.join(' '));
    }
  });
});
