// How does a program run as in the image where no container engine is: another user, no capability, a read-only root?
// (user and mount namespaces of Linux, by unshare of util-linux)
import { runProgram } from './run-program.ts';

export type CommandLine = readonly [program: string, args: readonly string[]];

/** Of `USER` in the Dockerfile. */
const USER = 1000;
/** All the file system is read-only, and `$0` too where that is a file system of its own. */
const READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && mount -o remount,bind,ro / && exec "$@"';

/** The same process all the way, so that signals reach the program. Sockets can be connected to as before. */
export function confined(root: string, [program, args]: CommandLine): CommandLine {
  const mounts = ['--user', '--map-root-user', '--mount', 'sh', '-c', READ_ONLY, root];
  const user = ['unshare', '--user', `--map-user=${USER}`, `--map-group=${USER}`];
  return ['unshare', [...mounts, ...user, program, ...args]];
}

/** Why not here; undefined: it works. */
export async function whyNotConfined(root: string): Promise<string | undefined> {
  try {
    const { exitCode, stderr } = await runProgram(...confined(root, ['true', []]));
    return exitCode === 0 ? undefined : `this machine lets nobody make namespaces: ${stderr.trim()}`;
  } catch (error) {
    return `this machine has no unshare: ${error instanceof Error ? error.message : String(error)}`;
  }
}
