// Does every record reach the disk once and in order, whatever happens to the disk, the file and the process?
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { renameSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { AuditFile, type AuditFileOptions } from '../../src/audit/audit-file.ts';
import { nodeFiles, type FileAccess } from '../../src/audit/file-access.ts';
import { verifyChain, type VerifyOptions } from '../../src/audit/verify-chain.ts';
import { ended, NORTH, storing, WEST } from './samples.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fb-audit-'));
  path = join(folder, 'audit.jsonl');
});
afterEach(() => {
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true, force: true });
});

function open(options: Partial<AuditFileOptions> = {}): AuditFile {
  return new AuditFile({ path, maxBytes: 2 ** 20, writer: 'broker@test', ...options });
}

async function fill(count: number, options: Partial<AuditFileOptions> = {}): Promise<AuditFile> {
  const file = open(options);
  for (let turn = 0; turn < count; turn++) await file.append([storing(`bundle ${turn}`)]);
  return file;
}

const verify = (options: Partial<VerifyOptions> = {}) => verifyChain({ path, ...options });
const lines = (file = path) => readFileSync(file, 'utf8').trimEnd().split('\n');
const codeOf = (code: string) => (error: unknown) => (error as { code?: string }).code === code;

describe('an audit file', () => {
  it('holds what was appended, and says so when it is verified', async () => {
    const file = open();
    const [intention] = await file.append([storing('first')]);
    await file.append([ended(intention!.record), storing('second', NORTH)]);
    const report = await verify();
    assert.deepEqual([report.fault, report.records, report.first, report.head], [undefined, 4, 1, file.head]);
    assert.deepEqual(
      report.open.map(({ trustDomains }) => trustDomains),
      [[NORTH]],
    );
    assert.equal(file.peer(WEST)?.head.record, 3);
    assert.equal(readdirSync(folder).join(), 'audit.jsonl');
  });

  it('is no file as long as nothing was looked at, and one without records after a look', async () => {
    const report = await verify();
    assert.deepEqual([report.records, report.head, report.fault], [0, undefined, undefined]);
    await open().look();
    assert.equal(readFileSync(path, 'utf8'), '');
  });

  it('is continued by the next process, which knows what is stored and declared', async () => {
    const file = open();
    const [intention] = await file.append([storing('first')]);
    await file.append([ended(intention!.record)]);
    const declared = { kind: 'DeclarationTakenUp', trustDomains: [WEST], peer: 'west', declaration: 'aa' } as const;
    await file.append([declared]);
    const next = open();
    await next.look();
    assert.deepEqual(next.peer(WEST), file.peer(WEST));
    assert.equal(next.peer(WEST)?.declaration, 'aa');
    assert.match(next.peer(WEST)?.stored ?? '', /^[0-9a-f]{64}$/);
    await next.append([ended(1)]);
    assert.equal((await verify()).fault, undefined);
  });

  it('goes on in a next file when it is full, which alone tells what holds', async () => {
    const file = await fill(50, { maxBytes: 4096 });
    const declared = { kind: 'DeclarationTakenUp', trustDomains: [NORTH], peer: 'north', declaration: 'bb' } as const;
    await file.append([declared]);
    for (let turn = 0; turn < 50; turn++) await file.append([ended(turn)]);
    const names = readdirSync(folder);
    assert.ok(names.length > 5, names.join());
    const { fault, head, files } = await verify();
    assert.deepEqual([fault, head, files.length], [undefined, file.head, names.length]);
    const next = open();
    await next.look();
    assert.equal(next.peer(NORTH)?.declaration, 'bb');
    assert.deepEqual(next.head, file.head);
  });

  it('goes on when it was killed after the full file was put aside', async () => {
    const file = await fill(5);
    renameSync(path, `${path}.000001`);
    const next = open();
    await next.append([storing('next')]);
    const { fault, head, records } = await verify();
    assert.deepEqual([fault, head, records], [undefined, next.head, 8]);
    assert.equal(next.head!.record, file.head!.record + 2);
    renameSync(path, `${path}.000002`);
    writeFileSync(path, '{"record":9,"at":"20');
    await open().append([storing('after that')]);
    assert.equal((await verify()).fault, undefined);
    assert.match(lines()[1]!, /"kind":"TornRecordRemoved","bytes":20/);
  });

  it('removes the record that a killed process did not finish, and says that it did', async () => {
    await fill(3);
    const whole = statSync(path).size;
    for (let cut = whole - 1; cut > whole - 40; cut -= 7) {
      await open().append([storing(`cut at ${cut}`)]);
      truncateSync(path, statSync(path).size - (whole - cut));
    }
    await open().append([storing('after all')]);
    const { fault } = await verify();
    assert.equal(fault, undefined);
    assert.equal(lines().filter((line) => line.includes('"kind":"TornRecordRemoved"')).length, 6);
  });

  it('tells of the changes whose outcome an earlier life of the same writer did not record', async () => {
    const file = open();
    await file.append([storing('first')]);
    await open({ writer: 'operator@elsewhere' }).append([storing('by somebody else')]);
    const next = open();
    await next.closeOwnChanges();
    const { open: left } = await verify();
    assert.deepEqual(
      left.map(({ writer }) => writer),
      ['operator@elsewhere'],
    );
    assert.match(lines().at(-1)!, /"kind":"ChangeEnded","intention":2,.*"result":"Unknown"/);
    const { head } = next;
    await next.closeOwnChanges();
    assert.deepEqual(next.head, head);
  });

  it('keeps one chain when several processes append at once and some are killed while they do', async () => {
    const program = fileURLToPath(new URL('append-program.ts', import.meta.url));
    const start = (count: number) => {
      const command = ['--import', 'tsx', program, path, String(count)];
      const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] });
      return { child, exited: once(child, 'exit'), appending: once(child.stdout, 'data') };
    };
    const whole = start(60);
    const killed = [start(100_000), start(100_000)];
    for (const { child, appending, exited } of killed) {
      await appending;
      child.kill('SIGKILL');
      await exited;
    }
    const own = open({ maxBytes: 64 * 1024 });
    for (let turn = 0; turn < 40; turn++) await own.append([storing(`own ${turn}`)]);
    assert.deepEqual(await whole.exited, [0, null]);
    const { fault, records } = await verify();
    assert.equal(fault, undefined);
    assert.ok(records > 100);
  });
});

describe('a record that cannot be written', () => {
  /** Files whose writes fail as those of a disk with so many bytes left. */
  function almostFull(room: { bytes: number }): FileAccess {
    return {
      ...nodeFiles,
      open: async (...parameters) => {
        const handle = await nodeFiles.open(...parameters);
        const write = async (buffer: Buffer, offset: number, length: number) => {
          if (room.bytes === 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
          const result = await handle.write(buffer, offset, Math.min(length, room.bytes));
          room.bytes -= result.bytesWritten;
          return result;
        };
        return new Proxy(handle, {
          get: (target, name) => {
            if (name === 'write') return write;
            const member: unknown = Reflect.get(target, name);
            return typeof member === 'function' ? (member.bind(target) as unknown) : member;
          },
        });
      },
    };
  }

  it('leaves the chain whole when the disk is full in the middle of it, and is written when there is room', async () => {
    const room = { bytes: 1500 };
    const file = open({ files: almostFull(room) });
    let written = 0;
    await assert.rejects(async () => {
      for (; ; written++) await file.append([storing(`bundle ${written}`)]);
    }, /the disk is full.*ENOSPC/);
    assert.ok(written > 0);
    assert.equal((await verify()).fault, undefined);
    room.bytes = 10_000;
    await file.append([storing('at last')]);
    const { fault, records, head } = await verify();
    assert.deepEqual([fault, records, head], [undefined, written + 2, file.head]);
  });

  it('leaves the chain whole at whatever byte the disk is full, also between two files', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 6000 }), async (bytes) => {
        rmSync(folder, { recursive: true });
        mkdirSync(folder);
        const room = { bytes };
        const file = open({ files: almostFull(room), maxBytes: 2048 });
        for (let turn = 0; turn < 16; turn++) await file.append([storing(`bundle ${turn}`)]).catch(() => undefined);
        assert.equal((await verify()).fault, undefined);
        room.bytes = 100_000;
        await file.append([storing('at last')]);
        const { fault, head } = await verify();
        assert.deepEqual([fault, head], [undefined, file.head]);
      }),
      { numRuns: 30 },
    );
  });

  it('says that the folder is missing, or is a file', async () => {
    await assert.rejects(open({ path: join(folder, 'no', 'a') }).append([storing('a')]), /folder does not exist/);
    writeFileSync(join(folder, 'file'), '');
    await assert.rejects(open({ path: join(folder, 'file', 'a') }).append([storing('a')]), codeOf('AuditUnwritable'));
  });

  it('says that the folder may not be written', async () => {
    chmodSync(folder, 0o555);
    const isRoot = process.getuid?.() === 0;
    if (isRoot) process.seteuid?.('nobody');
    try {
      await assert.rejects(open().append([storing('a')]), /the folder must be writable/);
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
  });

  it('waits for a living process only for so long', async () => {
    symlinkSync([hostname(), process.ppid, 1, Date.now(), 'x'].join(' '), `${path}.lock`);
    await assert.rejects(open({ lockWaitMs: 50 }).append([storing('a')]), codeOf('AuditLocked'));
  });

  it('does not wait for a process that is gone, nor for its own earlier life', async () => {
    for (const [pid, started] of [
      [2 ** 22 + 1, 1],
      [process.pid, 1],
    ]) {
      symlinkSync([hostname(), pid, started, Date.now(), 'x'].join(' '), `${path}.lock`);
      await open({ lockWaitMs: 50 }).append([storing('a')]);
    }
    symlinkSync(['elsewhere', 1, 1, Date.now() - 31_000, 'x'].join(' '), `${path}.lock`);
    await open({ lockWaitMs: 50 }).append([storing('a')]);
    assert.equal((await verify()).records, 4);
  });

  it('is refused after an end that was changed, and after the file was cut', async () => {
    const file = await fill(3);
    truncateSync(path, statSync(path).size - Buffer.byteLength(lines().at(-1)!) - 1);
    await assert.rejects(file.append([storing('a')]), /the file was cut/);
    appendFileSync(path, '{"record":4}\n');
    for (let turn = 0; turn < 2; turn++) await assert.rejects(open().append([storing('a')]), codeOf('AuditBroken'));
  });
});

describe('verifying names', () => {
  const rewrite = (change: (all: string[]) => string[], file = path) => {
    writeFileSync(file, `${change(lines(file)).join('\n')}\n`);
  };
  const CHANGES: readonly (readonly [string, (all: string[]) => string[], string, number])[] = [
    ['a removed line', (all) => all.toSpliced(4, 1), 'NumberWrong', 5],
    ['a doubled line', (all) => all.toSpliced(4, 0, all[4]!), 'NumberWrong', 6],
    ['swapped lines', (all) => all.toSpliced(4, 2, all[5]!, all[4]!), 'NumberWrong', 5],
    ['a removed beginning', (all) => all.slice(2), 'BeginningMissing', 1],
    ['an empty line', (all) => all.toSpliced(4, 0, ''), 'RecordMalformed', 5],
    ['a line of something else', (all) => all.toSpliced(4, 1, '{}'), 'RecordMalformed', 5],
    ['a changed word', (all) => all.with(4, all[4]!.replace('Peer', 'Poor')), 'HashWrong', 5],
  ];
  for (const [name, change, code, line] of CHANGES) {
    it(`${name}, by its number`, async () => {
      await fill(10);
      rewrite(change);
      const { fault } = await verify();
      assert.deepEqual([fault?.code, fault?.line, fault?.file], [code, line, 'audit.jsonl']);
    });
  }

  it('a line that was made anew with a right hash', async () => {
    await fill(10);
    const other = new AuditFile({ path: join(folder, 'other.jsonl'), maxBytes: 2 ** 20, writer: 'broker@test' });
    for (let turn = 0; turn < 10; turn++) await other.append([storing(`other ${turn}`)]);
    rewrite((all) => all.with(4, lines(join(folder, 'other.jsonl'))[4]!));
    assert.deepEqual((await verify()).fault?.code, 'PreviousWrong');
  });

  it('a cut inside of a line', async () => {
    await fill(3);
    truncateSync(path, statSync(path).size - 1);
    const { fault } = await verify();
    assert.deepEqual([fault?.code, fault?.line], ['RecordTorn', 4]);
  });

  it('a missing file of the row', async () => {
    const file = await fill(60, { maxBytes: 4096 });
    const full = readdirSync(folder).filter((name) => name !== 'audit.jsonl');
    for (const name of full) {
      renameSync(join(folder, name), join(folder, 'aside'));
      const { fault } = await verify();
      assert.match(fault?.code ?? '', name === full[0] ? /^BeginningMissing$/ : /^NumberWrong$/, name);
      renameSync(join(folder, 'aside'), join(folder, name));
    }
    renameSync(path, join(folder, 'aside'));
    assert.equal((await verify()).fault, undefined, 'of the newest file nothing here tells');
    assert.equal((await verify({ knownHeads: [file.head!.hash] })).fault?.code, 'HeadMissing');
  });

  it('a cut tail, when a head is known from elsewhere', async () => {
    const file = await fill(10);
    const { head } = file;
    rewrite((all) => all.slice(0, -1));
    assert.equal((await verify()).fault, undefined);
    assert.equal((await verify({ knownHeads: [head!.hash] })).fault?.code, 'HeadMissing');
  });

  it('nothing when older files were archived and the hash of their last record is given', async () => {
    await fill(60, { maxBytes: 4096 });
    const [oldest] = readdirSync(folder).filter((name) => name !== 'audit.jsonl');
    const after = (JSON.parse(lines(join(folder, oldest!)).at(-1)!) as { hash: string }).hash;
    rmSync(join(folder, oldest!));
    assert.equal((await verify()).fault?.code, 'BeginningMissing');
    assert.equal((await verify({ after })).fault, undefined);
    assert.equal((await verify({ after: 'f'.repeat(64) })).fault?.code, 'BeginningMissing');
  });
});
