// How does a test start a program, know that it is ready, read its log, and end it for sure?
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cleanup } from './cleanup.ts';
import { endWithThisProcess } from './living-children.ts';

export interface ChildOptions {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** stdout and stderr are appended to it. */
  readonly logPath: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** A real signal: the health check answers, the port accepts. Throwing means "not yet". */
  readonly isReady: () => Promise<boolean>;
  /** Default 30,000. */
  readonly readyTimeoutMs?: number;
}

export interface Child {
  readonly pid: number;
  readonly logPath: string;
  log(): string;
  /** undefined while it runs; afterwards the exit code, or the name of the signal that ended it. */
  readonly exitStatus: () => number | string | undefined;
  /** Settles when the program is gone. */
  readonly gone: Promise<void>;
  /** SIGTERM, and SIGKILL when it is still there after `graceMs` (default 5,000). Resolves when it is gone. */
  end(graceMs?: number): Promise<void>;
  /** SIGKILL, as a crash would be. Resolves when it is gone. */
  kill(): Promise<void>;
  /** For example SIGSTOP and SIGCONT, for a program that hangs. */
  signal(signal: NodeJS.Signals): void;
}

const READY_POLL_MS = 50;

/** Resolves when the program is ready; rejects with the end of its log when it ends first or the time is over. */
export async function startChild(cleanup: Cleanup, options: ChildOptions): Promise<Child> {
  const child = spawnChild(options);
  cleanup.add(() => child.end());
  const timeoutMs = options.readyTimeoutMs ?? 30_000;
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    if (child.exitStatus() !== undefined)
      throw failure(options, `ended with ${child.exitStatus() ?? ''} before it was ready`);
    if (await options.isReady().catch(() => false)) return child;
    if (performance.now() > deadlineMs) {
      await child.kill();
      throw failure(options, `was not ready after ${timeoutMs} ms`);
    }
    await sleep(READY_POLL_MS);
  }
}

function spawnChild({ program, args, logPath, env, cwd }: ChildOptions): Child {
  const log = openSync(logPath, 'a');
  const child = spawn(program, args, { stdio: ['ignore', log, log], env: env ?? process.env, cwd });
  closeSync(log);
  endWithThisProcess(child);
  // Otherwise a test file that failed before its cleanup would wait for the program for ever.
  child.unref();
  let status: number | string | undefined;
  const gone = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      status = error.message;
      resolve();
    });
    child.once('exit', (code, signal) => {
      status = code ?? signal ?? 'unknown';
      resolve();
    });
  });
  const kill = async (): Promise<void> => {
    child.ref();
    child.kill('SIGKILL');
    await gone;
  };
  return {
    pid: child.pid ?? -1,
    logPath,
    log: () => readFileSync(logPath, 'utf8'),
    exitStatus: () => status,
    gone,
    kill,
    signal: (signal) => {
      child.kill(signal);
    },
    end: async (graceMs = 5_000) => {
      if (status !== undefined) return;
      // A stopped program takes no SIGTERM before it goes on.
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      const timer = new AbortController();
      await Promise.race([gone, sleep(graceMs, undefined, { signal: timer.signal }).catch(() => undefined)]);
      timer.abort();
      await kill();
    },
  };
}

function failure({ name, logPath }: ChildOptions, sentence: string): Error {
  const end = existsSync(logPath) ? readFileSync(logPath, 'utf8').trimEnd().split('\n').slice(-20).join('\n') : '';
  return new Error(`${name} ${sentence}. The end of its log:\n${end}`);
}
