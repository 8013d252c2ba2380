// What does a program say that does one thing and ends?
import { execFile } from 'node:child_process';

export interface ProgramResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** Resolves whatever the exit code is; rejects when the program cannot be started or takes longer than `timeoutMs`. */
export function runProgram(program: string, args: readonly string[], timeoutMs = 20_000): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const options = { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: MAX_OUTPUT_BYTES } as const;
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve({ exitCode: 0, stdout, stderr });
      else if (typeof error.code === 'number') resolve({ exitCode: error.code, stdout, stderr });
      else
        reject(
          new Error(
            `${program} ${args.join(' ')}: ${error.killed === true ? `no end after ${timeoutMs} ms` : error.message}`,
          ),
        );
    });
  });
}

/** Its stdout. Rejects with what it wrote when the exit code is not 0. */
export async function outputOf(program: string, args: readonly string[], timeoutMs?: number): Promise<string> {
  const { exitCode, stdout, stderr } = await runProgram(program, args, timeoutMs);
  if (exitCode !== 0)
    throw new Error(`${program} ${args.join(' ')} ended with ${exitCode}: ${(stderr || stdout).trim()}`);
  return stdout;
}
