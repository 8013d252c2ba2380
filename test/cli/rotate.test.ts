// Do the commands about rotation say what is, refuse what would harm, and never call done what nobody observed?
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { AuditFile } from '../../src/audit/audit-file.ts';
import type { KindStatus } from '../../src/broker/rotation-status.ts';
import { auditCommand } from '../../src/cli/audit.ts';
import type { Command } from '../../src/cli/command.ts';
import { whoAsks } from '../../src/cli/open-audit.ts';
import { outcomeText, RotationProgress } from '../../src/cli/rotate-progress.ts';
import { rotateCommand } from '../../src/cli/rotate.ts';
import { rotationCommand } from '../../src/cli/rotation.ts';
import { startBroker, type RunningBroker } from '../../src/cli/start-broker.ts';
import { resolveConfig } from '../../src/config.ts';
import { startDevSpire, type DevSpire } from '../../src/dev-spire/dev-spire.ts';
import { createLogger } from '../../src/log.ts';
import type { RotationView } from '../../src/rotation/next-rotation-step.ts';
import { rotationReadiness } from '../../src/rotation/readiness.ts';
import { openSpireServer } from '../../src/spire/spire-server.ts';
import { until } from '../broker/side.ts';
import { TIMES } from '../rotation/rotation-world.ts';
import {
  ACTIVE_ID,
  ACTIVE_ROOT,
  acknowledgementOf,
  authorityStates,
  EAST,
  hour,
  NORTH,
  PREPARED_ROOT,
  readinessInput,
  WEST,
} from '../rotation/samples.ts';

describe('the commands about rotation', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fb-rotate-'));
  const socketPath = join(folder, 'spire.sock');
  const end = new AbortController();
  let dev: DevSpire;
  let broker: RunningBroker | undefined;
  let adminAddress = '';

  before(async () => {
    dev = await startDevSpire({ trustDomain: EAST, socketPath });
    const argv = [
      '--peers-directory',
      folder,
      '--serve-spiffe-address',
      '127.0.0.1:0',
      '--admin-address',
      '127.0.0.1:0',
    ];
    const { config } = resolveConfig({
      argv: [...argv, '--spire-socket', socketPath],
      environment: {},
      readFile: () => '',
    });
    const write = (text: string) => {
      const { msg, port } = JSON.parse(text) as { readonly msg: string; readonly port?: number };
      if (msg === 'admin pages served') adminAddress = `127.0.0.1:${port}`;
    };
    broker = await startBroker(config, createLogger({ level: 'info', format: 'json', write }), end.signal);
    await until('the authorities were looked at', () => {
      const rotation = broker?.status().rotation;
      return rotation !== undefined && 'kinds' in rotation;
    });
  });
  after(async () => {
    end.abort();
    await broker?.stop();
    await dev.stop();
    rmSync(folder, { recursive: true });
  });

  async function run(command: Command, argv: readonly string[], admin = adminAddress) {
    const output = { stdout: '', stderr: '' };
    const settings = ['--spire-socket', socketPath, '--admin-address', admin];
    const { config, flags, positionals } = resolveConfig({
      argv: [...argv, ...settings],
      environment: {},
      readFile: () => '',
      commandFlags: command.flags,
    });
    const exitCode = await command.run({
      ...{ config, flags, positionals, stdin: Readable.from([]), cacheFolder: folder, signal: end.signal },
      print: (text) => {
        output.stdout += text;
      },
      explain: (text) => {
        output.stderr += text;
      },
    });
    return { exitCode, ...output };
  }
  const authorityWrites = () =>
    dev.record.calls().filter(({ rpc }) => /^(Prepare|Activate|Taint|Revoke|Batch)/.test(rpc));

  async function preparedId() {
    const spire = openSpireServer({ socketPath, trustDomain: EAST });
    const { prepared } = await spire.localAuthorities.x509.state();
    spire.close();
    return prepared?.id;
  }

  it('show the authorities in sentences, and as JSON', async () => {
    const { exitCode, stdout } = await run(rotationCommand, ['status']);
    assert.equal(exitCode, 0);
    const id = dev.x509.activeId.slice(0, 12);
    assert.match(stdout, new RegExp(`^X\\.509 authority ${id}…, active, ends .*, no peer to hold it$`, 'm'));
    const json = JSON.parse((await run(rotationCommand, ['status', '--output', 'json'])).stdout) as {
      readonly kinds: readonly KindStatus[];
    };
    assert.equal(json.kinds[0]?.authorities[0]?.id, dev.x509.activeId);
  });

  it('say what would be done, and change nothing', async () => {
    dev.record.forget();
    const { exitCode, stdout } = await run(rotateCommand, ['--dry-run', '--revoke-old']);
    assert.equal(exitCode, 0);
    assert.match(stdout, /^next: begin: the rotation of [0-9a-f]{12}… is noted\nnothing was changed\n$/);
    assert.deepEqual(authorityWrites(), []);
  });

  it('lead nothing without a broker that says who holds what', async () => {
    dev.record.forget();
    const { exitCode, stderr } = await run(rotateCommand, [], '127.0.0.1:1');
    assert.equal(exitCode, 1);
    assert.match(stderr, /refused \(BrokerSilent\): /);
    assert.deepEqual(authorityWrites(), []);
  });

  it('write down each of its writes and who asked for it, and so does forgetting it', async () => {
    const auditFile = join(folder, 'audit.jsonl');
    const audited = ['--audit-file', auditFile];
    const { exitCode, stderr } = await run(rotateCommand, ['--timeout', '1s', '--taint-old', ...audited]);
    assert.equal(exitCode, 1);
    assert.match(stderr, /the time limit was reached/);
    assert.match((await run(rotateCommand, ['--abandon', ...audited])).stdout, /^forgotten: /);

    const shown = await run(auditCommand, ['show', '--peer', EAST, ...audited]);
    const { activeId: from } = dev.x509;
    const prepared = await preparedId();
    const lines = shown.stdout.trim().split('\n');
    const asked = `fedbroker rotate --timeout 1s --taint-old [Command ${whoAsks()}]`;
    const expected = [
      `BeginRotation x509 ${from} → the next: ${asked}`,
      `PrepareAuthority x509: ${asked}`,
      `NoteRotation x509 ${from} → ${prepared}: ${asked}`,
      `ForgetRotation x509 ${from} → ${prepared}: fedbroker rotate --abandon [Command ${whoAsks()}]`,
    ];
    assert.equal(lines.length, 2 * expected.length);
    for (const [index, text] of expected.entries()) {
      assert.ok(lines[2 * index]?.includes(`ChangeIntended  ${EAST}  ${text}`), lines[2 * index]);
      assert.match(lines[2 * index + 1] ?? '', /ChangeEnded {2}east\.example {2}of \d+: Done {2}\(rotate@/);
    }
    assert.equal((await run(auditCommand, ['verify', ...audited], '127.0.0.1:1')).exitCode, 0);
  });

  it('write down of what an earlier run was killed in what they find now, before anything else', async () => {
    const auditFile = join(folder, 'killed.jsonl');
    const killed = new AuditFile({ path: auditFile, maxBytes: 2 ** 20, writer: `rotate@${hostname()}` });
    const why = 'fedbroker rotate';
    await killed.append([
      { kind: 'ChangeIntended', change: 'PrepareAuthority', trustDomains: [EAST], cause: 'Command', why },
    ]);
    const audited = ['--audit-file', auditFile];
    assert.match(
      (await run(auditCommand, ['show', ...audited])).stderr,
      /outcome of record 2 \(PrepareAuthority\) is not/,
    );
    const found = `x509 active ${dev.x509.activeId}, prepared ${(await preparedId()) ?? 'none'}, old none; jwt active `;
    await run(rotateCommand, ['--timeout', '1s', ...audited]);
    await run(rotateCommand, ['--abandon', ...audited]);
    const { stdout, stderr } = await run(auditCommand, ['show', ...audited]);
    const lines = stdout.trim().split('\n');
    assert.match(lines[2] ?? '', /ChangeEnded {2}east\.example {2}of 2: Unknown, the process ended before/);
    assert.ok(lines[2]?.includes(`found by the next one: ${found}`), lines[2]);
    assert.match(lines[3] ?? '', /ChangeIntended {2}east\.example {2}BeginRotation/);
    assert.equal(stderr, '');
  });

  it('change nothing, not even the record, when it must be written down and cannot be', async () => {
    dev.record.forget();
    const nowhere = ['--audit-file', join(folder, 'none', 'audit.jsonl'), '--audit-required', 'on'];
    await assert.rejects(run(rotateCommand, ['--timeout', '1s', ...nowhere]), {
      code: 'AuditUnwritable',
      message: /^not done, as it cannot be recorded and auditRequired is on .*the folder does not exist/,
    });
    assert.deepEqual(authorityWrites(), []);
    const spire = openSpireServer({ socketPath, trustDomain: EAST });
    assert.equal(await spire.rotation.records.read(), undefined);
    spire.close();
  });

  it('forget a rotation on demand, and only its record', async () => {
    const spire = openSpireServer({ socketPath, trustDomain: EAST });
    await spire.rotation.records.write({
      ...{
        kind: 'x509',
        run: 'x',
        startedAt: hour(1),
        askedAt: hour(1),
        from: 'a',
        to: 'b',
        taintOld: false,
        revokeOld: false,
      },
      ...{ activatedAt: undefined, agentsUntil: undefined, taintedAt: undefined, endedAt: undefined },
    });
    assert.match((await run(rotateCommand, [])).stderr, /refused \(Overtaken\)/);
    assert.deepEqual(await spire.listEntries(), []);
    assert.match((await run(rotateCommand, ['--abandon'])).stdout, /^forgotten: the rotation of 2040-01-01T01:00:00/);
    assert.equal((await run(rotateCommand, ['--abandon'])).stdout, 'no rotation is recorded\n');
    spire.close();
  });

  it('refuse what they do not know', async () => {
    await assert.rejects(run(rotationCommand, ['stauts']), /"stauts" is nothing that can be asked/);
    await assert.rejects(run(rotateCommand, ['--timeout', 'soon']), /--timeout must be a duration/);
    await assert.rejects(run(rotateCommand, ['now']), /"now" is not taken/);
  });
});

function viewOf(acknowledgements: Parameters<typeof readinessInput>[0]): {
  readonly view: RotationView;
  readonly answers: readonly KindStatus[];
} {
  const states = authorityStates();
  const answers = rotationReadiness(readinessInput(acknowledgements)).map((kind) => ({ ...kind, alarms: [] }));
  const view: RotationView = {
    ...{
      now: hour(13),
      kind: 'x509',
      run: 'this',
      asked: { taintOld: false, revokeOld: false },
      times: TIMES,
      askedAt: undefined,
      heard: new Set(),
    },
    ...{ state: states.x509, record: undefined, published: new Map(), readiness: answers[0], agentExpiries: [] },
  };
  return { view, answers };
}

describe('what is said of a rotation that is led', () => {
  const told = viewOf([acknowledgementOf(WEST, [ACTIVE_ROOT, PREPARED_ROOT])]);

  it('tells at the end who was observed and who was not', () => {
    const text = outcomeText(told.view, told.answers);
    assert.match(text, /^done: 1b1b1b1b1b1b… signs\nobserved: held by west\.example\n/);
    assert.match(text, /^not observed: north\.example; it was given the time to fetch, until 2040-01-01T00:25:00Z$/m);
  });

  it('tells of a peer that does not hold what signs', () => {
    const { view, answers } = viewOf([acknowledgementOf(NORTH, [PREPARED_ROOT])]);
    assert.match(outcomeText(view, answers), /^! not held by north\.example, though it signs$/m);
  });

  it('tells that nothing was observed when the broker does not answer', () => {
    assert.match(outcomeText(told.view, undefined), /not observed: which peers hold it/);
  });

  it('tells a wait once a minute, and everything else when it happens', () => {
    const lines: string[] = [];
    const progress = new RotationProgress((text) => lines.push(text));
    const at = (seconds: number): RotationView => ({
      ...told.view,
      now: new Date(hour(13).getTime() + seconds * 1000),
    });
    const wait = {
      step: 'Wait',
      reason: 'PeersMissing',
      until: undefined,
      message: 'not yet by west.example',
    } as const;
    for (const seconds of [0, 1, 59, 60]) progress.note(wait, at(seconds));
    progress.note({ step: 'Activate', id: ACTIVE_ID }, at(61));
    assert.deepEqual(lines, [
      '2040-01-01T13:00:00Z  wait (PeersMissing): not yet by west.example\n',
      '2040-01-01T13:01:00Z  wait (PeersMissing): not yet by west.example\n',
      '2040-01-01T13:01:01Z  activate: 1b1b1b1b1b1b… signs from now on\n',
    ]);
  });
});
