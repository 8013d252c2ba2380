// What does a program say that does one thing and ends?
import { execFile } from 'node:child_process';

export interface ProgramResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

export interface RunOptions {
  /** Default 20,000. */
  readonly timeoutMs?: number;
  /** What it reads on stdin, default nothing. */
  readonly input?: string;
  /** On top of this process's own. */
  readonly env?: NodeJS.ProcessEnv;
}

/** Resolves whatever the exit code is; rejects when the program cannot be started or takes longer than `timeoutMs`. */
export function runProgram(
  program: string,
  args: readonly string[],
  { timeoutMs = 20_000, input = '', env }: RunOptions = {},
): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const options = {
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      maxBuffer: MAX_OUTPUT_BYTES,
      env: { ...process.env, ...env },
    } as const;
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve({ exitCode: 0, stdout, stderr });
      else if (typeof error.code === 'number') resolve({ exitCode: error.code, stdout, stderr });
      else
        reject(
          new Error(
            `${program} ${args.join(' ')}: ${error.killed === true ? `no end after ${timeoutMs} ms` : error.message}`,
          ),
        );
    });
    // A program that ends without reading is judged by its exit code.
    child.stdin?.on('error', () => undefined).end(input);
  });
}

/** Its stdout. Rejects with what it wrote when the exit code is not 0. */
export async function outputOf(program: string, args: readonly string[], options?: RunOptions): Promise<string> {
  const { exitCode, stdout, stderr } = await runProgram(program, args, options);
  if (exitCode !== 0)
    throw new Error(`${program} ${args.join(' ')} ended with ${exitCode}: ${(stderr || stdout).trim()}`);
  return stdout;
}
