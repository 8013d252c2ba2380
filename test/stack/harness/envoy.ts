// How does a test run a real Envoy with its own configuration, and read what it counts?
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { programPath } from '../parts.ts';
import { startChild } from './child-process.ts';
import type { Cleanup } from './cleanup.ts';
import { freePort } from './free-ports.ts';
import { tempFolder } from './temp-folder.ts';

export interface Envoy {
  readonly adminUrl: string;
  readonly logPath: string;
  readonly pid: number;
  log(): string;
  /** The admin interface's answer to a GET, for example of `/config_dump`. */
  admin(path: string): Promise<string>;
  /** A counter or gauge, for example `listener.127.0.0.1_15443.ssl.fail_verify_error`; undefined when there is none. */
  stat(name: string): Promise<number | undefined>;
  end(): Promise<void>;
  kill(): Promise<void>;
}

/**
 * `bootstrap` is Envoy's bootstrap configuration without `admin`, which is added on a free port of 127.0.0.1. Resolves
 * when Envoy says that it is live: secrets it waits for have come, or their `initial_fetch_timeout` is over. `options` are
 * of its command line, for example `--drain-time-s`.
 */
export async function startEnvoy(
  cleanup: Cleanup,
  bootstrap: Readonly<Record<string, unknown>>,
  name = 'envoy',
  options: readonly string[] = [],
): Promise<Envoy> {
  const folder = tempFolder(cleanup, name);
  const adminPort = await freePort();
  const adminUrl = `http://127.0.0.1:${adminPort}`;
  const admin = { address: { socket_address: { address: '127.0.0.1', port_value: adminPort } } };
  const configPath = join(folder, 'envoy.json');
  writeFileSync(configPath, JSON.stringify({ node: { id: name, cluster: name }, ...bootstrap, admin }, undefined, 2));

  const get = (path: string): Promise<Response> => fetch(`${adminUrl}${path}`, { signal: AbortSignal.timeout(5_000) });
  const child = await startChild(cleanup, {
    name,
    program: programPath('envoy', 'envoy'),
    // Hot restart shares memory between the Envoys of one machine.
    args: ['-c', configPath, '--disable-hot-restart', '--concurrency', '1', '--log-level', 'info', ...options],
    logPath: join(folder, 'envoy.log'),
    isReady: async () => (await get('/ready')).ok,
  });
  return {
    adminUrl,
    logPath: child.logPath,
    pid: child.pid,
    log: () => child.log(),
    admin: async (path) => {
      const response = await get(path);
      const text = await response.text();
      if (!response.ok) throw new Error(`${adminUrl}${path} answered ${response.status}: ${text.slice(0, 200)}`);
      return text;
    },
    stat: async (statName) => {
      const lines = (await (await get('/stats')).text()).split('\n');
      const line = lines.find((candidate) => candidate.startsWith(`${statName}: `));
      return line === undefined ? undefined : Number(line.slice(statName.length + 2));
    },
    end: () => child.end(),
    kill: () => child.kill(),
  };
}
