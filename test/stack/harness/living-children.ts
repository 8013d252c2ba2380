// Which programs must not outlive this process, however it ends?
import type { ChildProcess } from 'node:child_process';

const living = new Set<ChildProcess>();
let isWatching = false;

/** Kills the child when this process ends, by itself, by an uncaught error, or by a signal. */
export function endWithThisProcess(child: ChildProcess): void {
  living.add(child);
  child.once('exit', () => living.delete(child));
  if (isWatching) return;
  isWatching = true;
  process.once('exit', killAll);
  for (const [signal, number] of [
    ['SIGHUP', 1],
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ] as const) {
    process.once(signal, () => {
      // The test runner ends a file that takes too long with SIGTERM, and then no 'exit' handler runs by itself.
      process.exit(128 + number);
    });
  }
}

function killAll(): void {
  for (const child of living) child.kill('SIGKILL');
}
