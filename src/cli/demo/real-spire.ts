// How does the demo run the real spire-server? A program that is already on this machine, with a configuration of its own.
import { execFile } from 'node:child_process';
import { access, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TrustDomain } from '../../bundle/trust-domain.ts';
import { openSpireServer } from '../../spire/spire-server.ts';
import { HOW_TO_BUILD, type BuiltPrograms } from './built-programs.ts';
import type { ChildPrograms } from './child-programs.ts';
import { freePort } from './free-port.ts';
import type { RunningSpire, SpireStarter } from './spire-starter.ts';
import { stolenAuthority } from './stolen-authority.ts';

const VERSION_TIMEOUT_MS = 10_000;
const READY_TIMEOUT_MS = 20_000;
/** Linux allows 107 bytes without the terminating zero, macOS 103. */
const MAX_SOCKET_PATH_BYTES = 103;

/** `program`: a path; undefined takes the newest that was built for the tests, or else the one in PATH. */
export async function realSpire(
  program: string | undefined,
  { built, programs }: { readonly built: BuiltPrograms; readonly programs: ChildPrograms },
): Promise<SpireStarter> {
  const found = program ?? (await built.find('spire', 'spire-server')) ?? 'spire-server';
  const version = await versionOf(found, program === undefined ? built.folder : undefined);
  return { version, start: (trustDomain, folder) => startServer(found, { trustDomain, folder, programs }) };
}

async function versionOf(program: string, searched: string | undefined): Promise<string> {
  try {
    const { stdout, stderr } = await promisify(execFile)(program, ['--version'], { timeout: VERSION_TIMEOUT_MS });
    // SPIRE writes it to stderr; a build of one's own says `1.15.3-dev-unk`.
    return /\d+\.\d+\.\d+/.exec(`${stdout}${stderr}`)?.[0] ?? 'unknown';
  } catch (error) {
    const sought = searched === undefined ? '' : ` (neither below ${searched} nor in PATH)`;
    throw new Error(
      `"${program}" cannot be run${sought}: ${(error as Error).message}. Name yours with --spire-server FILE; or ${HOW_TO_BUILD}`,
      { cause: error },
    );
  }
}

interface ServerPlace {
  readonly trustDomain: TrustDomain;
  readonly folder: string;
  readonly programs: ChildPrograms;
}

async function startServer(program: string, { trustDomain, folder, programs }: ServerPlace): Promise<RunningSpire> {
  const socketPath = join(folder, 'spire.sock');
  if (Buffer.byteLength(socketPath) > MAX_SOCKET_PATH_BYTES) {
    throw new Error(`the socket path ${socketPath} is too long: set TMPDIR to a shorter folder`);
  }
  const dataFolder = join(folder, 'spire-data');
  await mkdir(dataFolder);
  const configPath = join(folder, 'server.conf');
  await writeFile(configPath, serverConfig({ trustDomain, socketPath, dataFolder, port: await freePort() }));
  const client = openSpireServer({ socketPath, trustDomain });
  try {
    const { stop } = await programs.start({
      name: `spire-server of ${trustDomain}`,
      program,
      args: ['run', '-config', configPath],
      logPath: join(folder, 'spire-server.log'),
      isReady: async () => {
        await access(socketPath);
        return client.isServing();
      },
      readyTimeoutMs: READY_TIMEOUT_MS,
    });
    const stealAuthority = () => stolenAuthority({ socketPath, trustDomain, keysPath: keysPathIn(dataFolder) });
    return { socketPath, stealAuthority, stop };
  } finally {
    client.close();
  }
}

function keysPathIn(dataFolder: string): string {
  return join(dataFolder, 'keys.json');
}

interface ServerSettings {
  readonly trustDomain: TrustDomain;
  readonly socketPath: string;
  readonly dataFolder: string;
  readonly port: number;
}

/** No agent will join, and nothing is kept: `spire-config/server.conf` is the example for a real deployment. */
function serverConfig({ trustDomain, socketPath, dataFolder, port }: ServerSettings): string {
  return `server {
    trust_domain = "${trustDomain}"
    bind_address = "127.0.0.1"
    bind_port = "${port}"
    socket_path = "${socketPath}"
    data_dir = "${dataFolder}"
    log_level = "WARN"
    ca_ttl = "24h"
}
plugins {
    DataStore "sql" {
        plugin_data {
            database_type = "sqlite3"
            connection_string = "${join(dataFolder, 'datastore.sqlite3')}"
        }
    }
    KeyManager "disk" {
        plugin_data {
            keys_path = "${keysPathIn(dataFolder)}"
        }
    }
    NodeAttestor "join_token" {
        plugin_data {}
    }
}
`;
}
