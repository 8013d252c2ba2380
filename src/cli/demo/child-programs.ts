// How do the programs that the demo starts end with it, however it ends?
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { waitUntil } from './wait-until.ts';

export interface ProgramStart {
  /** For messages, for example `spire-server of east.example`. */
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** stdout and stderr are appended to it. */
  readonly logPath: string;
  /** A rejection means "not yet". */
  readonly isReady: () => Promise<boolean>;
  readonly readyTimeoutMs: number;
}

/** Both resolve when it is gone. */
export interface ChildProgram {
  /** SIGTERM, and SIGKILL when that was not enough. */
  readonly stop: () => Promise<void>;
  readonly kill: () => Promise<void>;
}

const READY_POLL_MS = 50;
const END_TIMEOUT_MS = 5_000;
const LOG_LINES_TOLD = 5;
/** Those that end this process and leave its children running. */
const DEADLY = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export class ChildPrograms {
  readonly #living = new Set<ChildProcess>();
  readonly #ending: AbortSignal;

  /** `ending` aborts with the first signal, which the program's start takes; the next one is taken here. */
  constructor(ending: AbortSignal) {
    this.#ending = ending;
    process.on('exit', this.#killAll);
    process.on('SIGHUP', this.#die);
    if (ending.aborted) this.#dieOfNextSignal();
    else ending.addEventListener('abort', this.#dieOfNextSignal, { once: true });
  }

  /** Resolves when it is ready; rejects with the end of its log when it ended first or took too long. */
  async start(what: ProgramStart): Promise<ChildProgram> {
    const log = openSync(what.logPath, 'a');
    // In a group of its own: Ctrl-C in a terminal is for this process, which ends things in their order.
    const child = spawn(what.program, what.args, { stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    let startFault: Error | undefined;
    child.once('error', (error) => {
      startFault = error;
      this.#living.delete(child);
    });
    child.once('exit', () => this.#living.delete(child));
    this.#living.add(child);
    const isThere = () => this.#living.has(child);
    const settled = await waitUntil(async () => !isThere() || (await what.isReady().catch(() => false)), {
      everyMs: READY_POLL_MS,
      timeoutMs: what.readyTimeoutMs,
      signal: this.#ending,
    });
    if (settled && isThere()) {
      return { stop: () => this.#end(child, 'SIGTERM'), kill: () => this.#end(child, 'SIGKILL') };
    }
    await this.#end(child, 'SIGKILL');
    const lines = (await readFile(what.logPath, 'utf8')).trimEnd().split('\n').slice(-LOG_LINES_TOLD);
    throw new Error(`${what.name} did not start. The end of its log:\n${lines.join('\n')}`, { cause: startFault });
  }

  /** Ends what still runs, at once. */
  close(): void {
    this.#killAll();
    process.off('exit', this.#killAll);
    this.#ending.removeEventListener('abort', this.#dieOfNextSignal);
    for (const name of DEADLY) process.off(name, this.#die);
  }

  async #end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (!this.#living.has(child)) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), END_TIMEOUT_MS);
    await gone;
    clearTimeout(timer);
  }

  readonly #killAll = (): void => {
    for (const child of this.#living) child.kill('SIGKILL');
  };

  readonly #dieOfNextSignal = (): void => {
    for (const name of DEADLY) process.on(name, this.#die);
  };

  readonly #die = (name: NodeJS.Signals): void => {
    // Runs #killAll, which a signal by itself does not.
    process.exit(128 + constants.signals[name]);
  };
}
