// How does a record get to disk, once and in order, also when others append, the process is killed or the disk is full?
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import type { AuditedPeer, AuditEvent, AuditHead, AuditTrail } from '../federation/audit-trail.ts';
import { systemClock, type Clock } from '../federation/clock.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { AuditError, auditErrorOf } from './audit-error.ts';
import { ChainFold } from './chain-state.ts';
import { GENESIS, headOf, LineFault, readRecord, sealRecord, type RecordedEvent, type SealedRecord } from './chain.ts';
import { nodeFiles, type FileAccess, type FileHandle } from './file-access.ts';
import { withLock } from './file-lock.ts';
import { fullFiles, linesOf, nextFullFile } from './file-row.ts';

export interface AuditFileOptions {
  readonly path: string;
  /** A record that would make the file longer begins the next one. */
  readonly maxBytes: number;
  /** Which process writes, for example `broker@host`. */
  readonly writer: string;
  /** Of the records; the lock always goes by the machine's own. */
  readonly clock?: Clock;
  readonly files?: FileAccess;
  readonly lockWaitMs?: number;
}

/** What was read of the current file. */
interface Reading {
  readonly inode: number;
  /** Up to here, every record is known. */
  readonly end: number;
  readonly hasRecords: boolean;
}

interface Torn {
  readonly bytes: number;
  readonly sha256: string;
}

const LOCK_WAIT_MS = 5_000;
const MODE = 0o640;

/** One chain over one row of files. Several processes may append to it, on file systems with atomic renames. */
export class AuditFile implements AuditTrail {
  readonly place: string;
  readonly #options: Required<AuditFileOptions>;
  #fold = new ChainFold();
  #head = GENESIS;
  #reading: Reading | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: AuditFileOptions) {
    this.#options = { clock: systemClock, files: nodeFiles, lockWaitMs: LOCK_WAIT_MS, ...options };
    this.place = options.path;
  }

  get head(): AuditHead | undefined {
    return this.#head === GENESIS ? undefined : this.#head;
  }

  peer(trustDomain: TrustDomain): AuditedPeer | undefined {
    return this.#fold.peer(trustDomain);
  }

  peers(): Iterable<AuditedPeer> {
    return this.#fold.peers();
  }

  append(events: readonly AuditEvent[]): Promise<readonly AuditHead[]> {
    return this.#exclusively((handle, isHeld) => this.#append(handle, events, isHeld));
  }

  look(): Promise<void> {
    return this.#exclusively(() => Promise.resolve());
  }

  /**
   * For the start of a process: the changes that an earlier life of this writer did not come to tell the outcome of. What
   * `found` says is recorded with them; it is asked only when there are any.
   */
  async closeOwnChanges(found?: (trustDomains: readonly TrustDomain[]) => Promise<string>): Promise<void> {
    await this.look();
    const own = this.#fold.open.filter(({ writer }) => writer === this.#options.writer);
    if (own.length === 0) return;
    const concerned = [...new Set(own.flatMap(({ trustDomains }) => trustDomains))];
    const then = found === undefined ? '' : `; found by the next one: ${await found(concerned)}`;
    const message = `the process ended before the outcome was recorded${then}`;
    await this.append(
      own.map(({ record, trustDomains }) => {
        return { kind: 'ChangeEnded', intention: record, trustDomains, result: 'Unknown', message };
      }),
    );
  }

  #exclusively<T>(task: (handle: FileHandle, isHeld: () => Promise<boolean>) => Promise<T>): Promise<T> {
    const { path, files, lockWaitMs: waitMs } = this.#options;
    const run = async () => {
      try {
        return await withLock(`${path}.lock`, { files, clock: systemClock, waitMs }, async (isHeld) => {
          const handle = await files.open(path, 'a+', MODE);
          try {
            await this.#catchUp(handle);
            return await task(handle, isHeld);
          } finally {
            await handle.close();
          }
        });
      } catch (error) {
        throw auditErrorOf(path, error);
      }
    };
    const result = this.#turn.then(run, run);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #append(
    handle: FileHandle,
    events: readonly AuditEvent[],
    isHeld: () => Promise<boolean>,
  ): Promise<readonly AuditHead[]> {
    const { path, maxBytes, files } = this.#options;
    const reading = this.#reading;
    if (reading === undefined) throw new Error('a record is appended before the file was read');
    const sealed = this.#seal([...this.#opening(reading.hasRecords), ...events]);
    if (!reading.hasRecords || reading.end + bytesOf(sealed) <= maxBytes) {
      await this.#write(handle, sealed, isHeld);
      if (!reading.hasRecords) await syncFolder(path, files);
      return sealed.slice(-events.length).map(({ head }) => head);
    }
    if (!(await isHeld())) throw lockLost(path);
    await files.rename(path, nextFullFile(path, await fullFiles(path, files)));
    const next = await files.open(path, 'ax+', MODE);
    try {
      this.#reading = { inode: (await next.stat()).ino, end: 0, hasRecords: false };
      const begun = this.#seal([...this.#opening(false), ...events]);
      await this.#write(next, begun, isHeld);
      await syncFolder(path, files);
      return begun.slice(-events.length).map(({ head }) => head);
    } finally {
      await next.close();
    }
  }

  /** What must stand at the beginning of a file, as the first record after `head`. */
  #opening(hasRecords: boolean): RecordedEvent[] {
    if (hasRecords) return [];
    return this.#head === GENESIS ? [{ kind: 'ChainBegun' }] : [{ kind: 'FileContinued', state: this.#fold.state }];
  }

  #seal(events: readonly RecordedEvent[]): SealedRecord[] {
    const { clock, writer } = this.#options;
    let head = this.#head;
    return events.map((event) => {
      const sealed = sealRecord(head, { at: clock.now(), writer }, event);
      head = sealed.head;
      return sealed;
    });
  }

  /** All of the records or none: what was written of them is taken back when they cannot be finished. */
  async #write(handle: FileHandle, sealed: readonly SealedRecord[], isHeld: () => Promise<boolean>): Promise<void> {
    const { path } = this.#options;
    const reading = this.#reading;
    if (reading === undefined) throw new Error('a record is written before the file was read');
    const bytes = Buffer.concat(sealed.map(({ line }) => line));
    if (!(await isHeld())) throw lockLost(path);
    try {
      for (let written = 0; written < bytes.length;) {
        const { bytesWritten } = await handle.write(bytes, written, bytes.length - written);
        written += bytesWritten;
      }
      await handle.datasync();
    } catch (error) {
      // Where even this fails, the next who reads the file finds the torn record and removes it.
      await handle.truncate(reading.end).catch(() => undefined);
      throw error;
    }
    for (const { record } of sealed) this.#fold.add(record);
    this.#head = sealed.at(-1)?.head ?? this.#head;
    this.#reading = { ...reading, end: reading.end + bytes.length, hasRecords: true };
  }

  /** Reads and checks what is new since the last look: what others appended, or, at first, the whole file. */
  async #catchUp(handle: FileHandle): Promise<void> {
    const { path, files } = this.#options;
    const { ino: inode, size } = await handle.stat();
    if (this.#reading?.inode !== inode) this.#reading = { inode, end: 0, hasRecords: false };
    if (size < this.#reading.end) throw broken(path, 'records are gone that were there before: the file was cut');
    const torn = await this.#readOn(handle, path);
    // Nothing was ever read, and nothing is here: the process before us was killed between two files.
    if (this.#head === GENESIS) await this.#readLastFull(await fullFiles(path, files));
    if (torn === undefined) return;
    const { end, hasRecords } = this.#reading;
    await handle.truncate(end);
    const told = this.#seal([...this.#opening(hasRecords), { kind: 'TornRecordRemoved', ...torn }]);
    await this.#write(handle, told, () => Promise.resolve(true));
  }

  /** A process was killed after it had put the full file aside and before it had begun the next one. */
  async #readLastFull(full: readonly string[]): Promise<void> {
    const last = full.at(-1);
    if (last === undefined) return;
    const current = this.#reading;
    const handle = await this.#options.files.open(last, 'r');
    try {
      this.#reading = { inode: (await handle.stat()).ino, end: 0, hasRecords: false };
      if ((await this.#readOn(handle, last)) !== undefined) throw broken(last, 'its last record is not whole');
      this.#reading = current;
    } finally {
      await handle.close();
    }
  }

  /** The bytes of a record that was never finished, at the end. */
  async #readOn(handle: FileHandle, path: string): Promise<Torn | undefined> {
    const { inode, ...reading } = this.#reading ?? { inode: 0, end: 0, hasRecords: false };
    let { end, hasRecords } = reading;
    const [fold, known] = [this.#fold, this.#head];
    let head: AuditHead | undefined = hasRecords ? known : undefined;
    for await (const line of linesOf(handle, end)) {
      if (!line.isWhole) {
        return { bytes: line.bytes.length, sha256: createHash('sha256').update(line.bytes).digest('hex') };
      }
      try {
        const record = readRecord(line.bytes, head);
        fold.add(record);
        head = headOf(record);
      } catch (error) {
        if (!(error instanceof LineFault)) throw error;
        throw broken(path, `the record after ${head?.record ?? 'its beginning'} cannot be trusted: ${error.message}`);
      }
      [end, hasRecords] = [line.end, true];
      this.#head = head;
      this.#reading = { inode, end, hasRecords };
    }
    if (this.#head.record < known.record) throw broken(path, 'it is older than what was read before');
    return undefined;
  }
}

function bytesOf(sealed: readonly SealedRecord[]): number {
  return sealed.reduce((sum, { line }) => sum + line.length, 0);
}

/** So that the name of a new file outlives a crash of the machine too. */
async function syncFolder(path: string, files: FileAccess): Promise<void> {
  const folder = await files.open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function lockLost(path: string): AuditError {
  return new AuditError('AuditLocked', `${path}: this process was stopped for so long that another one took its turn`);
}

function broken(path: string, why: string): AuditError {
  const advice = 'see "fedbroker audit verify"; nothing is appended until the files are moved away or mended';
  return new AuditError('AuditBroken', `${path}: ${why}; ${advice}`);
}
