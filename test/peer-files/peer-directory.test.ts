// Does the directory report every change once, and never less than what is really declared?
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, symlink, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { PeerDirectory, PeerDirectoryError, type DirectoryDeclarations } from '../../src/peer-files/peer-directory.ts';
import { FakeClock } from '../fakes/fake-clock.ts';
import { peerYaml } from './peer-yaml.ts';

const OWN = parseTrustDomain('east.example');
const POLL_MS = 1000;
/** Longer than the clock of a test is advanced. */
const NEVER_MS = 2 ** 31;
const SAFETY_NET_MS = 20_000;

type Report = DirectoryDeclarations | PeerDirectoryError;

let folder: string;
let directory: string;
let clock: FakeClock;
let stop: AbortController;
let watching: Promise<void> | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedbroker-peers-'));
  directory = join(folder, 'peers');
  await mkdir(directory);
  clock = new FakeClock();
  stop = new AbortController();
});

afterEach(async () => {
  stop.abort();
  await watching;
  watching = undefined;
  await rm(folder, { recursive: true });
});

function newDirectory(pollMs = POLL_MS): PeerDirectory {
  return new PeerDirectory({ directory, ownTrustDomain: OWN, clock, pollMs });
}

function write(name: string, text: string): Promise<void> {
  return writeFile(join(directory, name), text);
}

/** Watches and gives the reports in order. */
function watch(pollMs = POLL_MS): { reports: Report[]; untilReports: (count: number) => Promise<Report> } {
  const reports: Report[] = [];
  watching = newDirectory(pollMs).watch((report) => reports.push(report), stop.signal);
  const untilReports = async (count: number) => {
    await untilTrue(() => reports.length >= count);
    assert.equal(reports.length, count);
    return reports[count - 1]!;
  };
  return { reports, untilReports };
}

/** Lets the directory sleep through its pauses and do its reading in between. */
async function untilTrue(condition: () => boolean, stepMs = 100): Promise<void> {
  const deadlineMs = performance.now() + SAFETY_NET_MS;
  while (!condition()) {
    assert.ok(performance.now() < deadlineMs, 'it did not happen');
    await setImmediate();
    if (clock.pending > 0) clock.advance(stepMs);
  }
}

/** As many looks as would report any change. */
async function afterSomeLooks(): Promise<void> {
  const end = clock.now().getTime() + 5 * POLL_MS;
  await untilTrue(() => clock.now().getTime() >= end);
}

function peersOf(report: Report): string[] {
  assert.ok(!(report instanceof Error), 'the directory could not be read');
  return report.peers.map(({ name }) => name);
}

function isComplete(report: Report): boolean {
  return !(report instanceof Error) && report.incompleteBecause === undefined;
}

describe('a watched directory', () => {
  it('reports what is declared at the start, once', async () => {
    await write('a.yaml', peerYaml('west'));
    await write('b.json', '{}');
    await write('notes.txt', 'not a declaration');
    await write('.hidden.yaml', 'not a declaration');
    const { reports, untilReports } = watch();
    const report = await untilReports(1);
    assert.deepEqual(peersOf(report), ['west']);
    assert.ok(!(report instanceof Error));
    assert.deepEqual([...new Set(report.faults.map(({ file }) => file))], ['b.json']);
    await afterSomeLooks();
    assert.equal(reports.length, 1);
  });

  it('sees a change at once where the system tells of it, however seldom it looks', async () => {
    await write('a.yaml', peerYaml('west'));
    const { untilReports } = watch(NEVER_MS);
    await untilReports(1);
    await write('b.yaml', peerYaml('north'));
    assert.deepEqual(peersOf(await untilReports(2)), ['west', 'north']);
    await write('b.yaml', peerYaml('south'));
    assert.deepEqual(peersOf(await untilReports(3)), ['west', 'south']);
  });

  it('reports a new file, a changed one and one that is gone', async () => {
    await write('a.yaml', peerYaml('west'));
    const { untilReports } = watch();
    await untilReports(1);
    await write('b.yml', peerYaml('north'));
    assert.deepEqual(peersOf(await untilReports(2)), ['west', 'north']);
    await write('b.yml', peerYaml('south'));
    assert.deepEqual(peersOf(await untilReports(3)), ['west', 'south']);
    await unlink(join(directory, 'a.yaml'));
    const last = await untilReports(4);
    assert.deepEqual(peersOf(last), ['south']);
    assert.ok(isComplete(last));
  });

  it('reports a mounted ConfigMap that exchanged its link', async () => {
    for (const [version, name] of [
      ['..v1', 'west'],
      ['..v2', 'north'],
    ] as const) {
      await mkdir(join(directory, version));
      await write(`${version}/peer.yaml`, peerYaml(name));
    }
    await symlink('..v1', join(directory, '..data'));
    await symlink('..data/peer.yaml', join(directory, 'peer.yaml'));
    const { untilReports } = watch();
    assert.deepEqual(peersOf(await untilReports(1)), ['west']);
    await symlink('..v2', join(directory, '..tmp'));
    await rename(join(directory, '..tmp'), join(directory, '..data'));
    assert.deepEqual(peersOf(await untilReports(2)), ['north']);
  });

  it('does not take a file that is just being written for one that lost its peers', async () => {
    await write('a.yaml', `${peerYaml('west')}---\n${peerYaml('north')}`);
    const { reports, untilReports } = watch();
    await untilReports(1);
    // Cut after the first document: what an editor that writes in pieces leaves for a moment.
    await truncate(join(directory, 'a.yaml'), peerYaml('west').length);
    clock.advance(POLL_MS);
    // Then the short file was seen once, and is waited for to settle.
    await untilTrue(() => clock.pending > 0, 0);
    await write('a.yaml', `${peerYaml('west')}---\n${peerYaml('north')}---\n${peerYaml('south')}`);
    assert.deepEqual(peersOf(await untilReports(2)), ['west', 'north', 'south']);
    assert.equal(reports.length, 2);
  });
});

describe('nobody is removed', () => {
  it('when the directory is empty at the start, as after a mount that failed', async () => {
    const { untilReports } = watch();
    const report = await untilReports(1);
    assert.deepEqual(peersOf(report), []);
    assert.ok(!isComplete(report));
    await write('a.yaml', peerYaml('west'));
    assert.ok(isComplete(await untilReports(2)));
    await unlink(join(directory, 'a.yaml'));
    const last = await untilReports(3);
    assert.deepEqual(peersOf(last), []);
    assert.ok(isComplete(last), 'a file that was deleted while we watched is asked for');
  });

  it('when another, empty directory takes its place', async () => {
    await write('a.yaml', peerYaml('west'));
    const { untilReports } = watch();
    await untilReports(1);
    await mkdir(join(folder, 'empty'));
    await rename(directory, join(folder, 'away'));
    await rename(join(folder, 'empty'), directory);
    const report = await untilReports(2);
    assert.deepEqual(peersOf(report), ['west']);
    assert.ok(!isComplete(report));
  });

  it('when the directory is gone; it is reported once and again when it is back', async () => {
    await write('a.yaml', peerYaml('west'));
    const { reports, untilReports } = watch();
    await untilReports(1);
    await rename(directory, join(folder, 'away'));
    const gone = await untilReports(2);
    assert.ok(gone instanceof PeerDirectoryError);
    assert.equal(gone.code, 'PeersDirectoryUnreadable');
    assert.match(gone.message, /Cannot read the peers directory .*ENOENT/);
    await afterSomeLooks();
    assert.equal(reports.length, 2);
    await rename(join(folder, 'away'), directory);
    assert.deepEqual(peersOf(await untilReports(3)), ['west']);
  });

  it('when a file becomes unreadable', async () => {
    await write('a.yaml', peerYaml('west'));
    const { untilReports } = watch();
    await untilReports(1);
    await unlink(join(directory, 'a.yaml'));
    await mkdir(join(directory, 'a.yaml'));
    const report = await untilReports(2);
    assert.deepEqual(peersOf(report), ['west']);
    assert.ok(!(report instanceof Error));
    assert.match(report.faults[0]!.message, /is not a regular file/);
  });

  it('when a file is beyond every declaration’s size', async () => {
    await write('a.yaml', peerYaml('west'));
    await write('b.yaml', '');
    await truncate(join(directory, 'b.yaml'), 9 * 2 ** 20);
    const { untilReports } = watch();
    const report = await untilReports(1);
    assert.deepEqual(peersOf(report), ['west']);
    assert.ok(!isComplete(report));
  });
});

describe('a directory that is read once', () => {
  async function read(): Promise<DirectoryDeclarations> {
    const reading = newDirectory().read(stop.signal);
    let ended = false;
    const end = () => (ended = true);
    reading.then(end, end);
    await untilTrue(() => ended);
    return reading;
  }

  it('gives its declarations', async () => {
    await write('a.yaml', peerYaml('west'));
    assert.deepEqual(peersOf(await read()), ['west']);
  });

  it('says what is wrong when it is not there', async () => {
    await rm(directory, { recursive: true });
    await assert.rejects(read(), PeerDirectoryError);
  });
});
