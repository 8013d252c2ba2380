// How does a test let an operator lead a rotation, and end that program in the middle?
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { PROGRAM, type Broker } from './broker.ts';
import type { Cleanup } from './cleanup.ts';
import { endWithThisProcess } from './living-children.ts';

export interface LedRotation {
  /** Both streams, so far. */
  output(): string;
  /** Undefined: it was killed. */
  readonly exitCode: Promise<number | undefined>;
  kill(): void;
}

/** `fedbroker rotate <args>` beside this broker. */
export function leadRotation(
  cleanup: Cleanup,
  broker: Pick<Broker, 'adminAddress'>,
  socketPath: string,
  args: readonly string[] = [],
): LedRotation {
  const settings = ['--spire-socket', socketPath, '--admin-address', broker.adminAddress];
  const child = spawn(PROGRAM, ['rotate', ...args, ...settings], { stdio: ['ignore', 'pipe', 'pipe'] });
  endWithThisProcess(child);
  cleanup.add(() => {
    child.kill('SIGKILL');
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const exitCode = once(child, 'close').then(([code]) => (typeof code === 'number' ? code : undefined));
  return {
    output: () => output,
    exitCode,
    kill: () => child.kill('SIGKILL'),
  };
}
