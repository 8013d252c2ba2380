// How do several processes append to one file one after another? By a lock that a killed process does not hold for ever.
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { performance } from 'node:perf_hooks';
import { sleep, type Clock } from '../federation/clock.ts';
import { AuditError } from './audit-error.ts';
import { codeOf, isMissing, type FileAccess } from './file-access.ts';

/** A symbolic link that points nowhere: it is made with its content in one call, also when the disk is full. */
interface Holder {
  readonly host: string;
  readonly pid: number;
  /** When the process started: a restarted container has the same process id. */
  readonly startedMs: number;
  readonly at: number;
}

export interface LockParts {
  readonly files: FileAccess;
  readonly clock: Clock;
  /** How long to wait for another process. */
  readonly waitMs: number;
  readonly isAlive?: (pid: number) => boolean;
}

const LOOK_AGAIN_MS = 10;
/** An append takes milliseconds: who holds it for so long was stopped, or is gone with its machine. */
const STALE_AFTER_MS = 30_000;

/**
 * Runs `task` while no other process does. `isHeld` is to be asked right before the file is changed: a process that was
 * stopped for longer than the lock lasts has lost it.
 *
 * @throws AuditError
 */
export async function withLock<T>(
  path: string,
  parts: LockParts,
  task: (isHeld: () => Promise<boolean>) => Promise<T>,
): Promise<T> {
  const { files } = parts;
  const own = await takeLock(path, parts);
  const isHeld = async () => (await contentOf(path, files)) === own;
  try {
    return await task(isHeld);
  } finally {
    if (await isHeld()) await files.unlink(path).catch(() => undefined);
  }
}

async function takeLock(path: string, parts: LockParts): Promise<string> {
  const { files, clock, waitMs } = parts;
  const deadlineMs = clock.now().getTime() + waitMs;
  const nonce = randomUUID().slice(0, 8);
  for (;;) {
    const own = written(clock.now(), nonce);
    try {
      await files.symlink(own, path);
      return own;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    const content = await contentOf(path, files);
    if (content !== undefined && isStale(content, parts)) {
      await takeAway(path, content, nonce, files);
      continue;
    }
    if (clock.now().getTime() >= deadlineMs) {
      const message = `${path}: another process (${content ?? 'which has just let go'}) did not let go of it within ${waitMs} ms`;
      throw new AuditError('AuditLocked', message);
    }
    await sleep(clock, LOOK_AGAIN_MS, NEVER);
  }
}

/** Two that find the same stale lock must not take away the fresh one of each other. */
async function takeAway(path: string, stale: string, nonce: string, files: FileAccess): Promise<void> {
  const aside = `${path}.${nonce}`;
  try {
    await files.rename(path, aside);
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  const taken = await contentOf(aside, files);
  if (taken !== undefined && taken !== stale) await files.symlink(taken, path).catch(() => undefined);
  await files.unlink(aside);
}

async function contentOf(path: string, files: FileAccess): Promise<string | undefined> {
  try {
    return await files.readlink(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

const startedMs = Math.round(performance.timeOrigin);

function written(now: Date, nonce: string): string {
  return [hostname(), process.pid, startedMs, now.getTime(), nonce].join(' ');
}

function isStale(content: string, { clock, isAlive = isRunning }: LockParts): boolean {
  const holder = holderOf(content);
  if (holder === undefined) return true;
  if (Math.abs(clock.now().getTime() - holder.at) > STALE_AFTER_MS) return true;
  if (holder.host !== hostname()) return false;
  return holder.pid === process.pid ? holder.startedMs !== startedMs : !isAlive(holder.pid);
}

function holderOf(content: string): Holder | undefined {
  const [host = '', ...numbers] = content.split(' ').slice(0, 4);
  const [pid = NaN, started = NaN, at = NaN] = numbers.map(Number);
  return [pid, started, at].every(Number.isFinite) ? { host, pid, startedMs: started, at } : undefined;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
}

const NEVER = new AbortController().signal;
