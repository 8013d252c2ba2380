// How does the demo run the real spire-server? A program that is already on this machine, with a configuration of its own.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { access, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createServer, type AddressInfo } from 'node:net';
import type { TrustDomain } from '../../bundle/trust-domain.ts';
import { openSpireServer } from '../../spire/spire-server.ts';
import type { RunningSpire, SpireStarter } from './spire-starter.ts';
import { waitUntil } from './wait-until.ts';

/** Where `npm run test:stack` puts what it builds; the folder's name goes on with a digest. */
const BUILT_BELOW = join(homedir(), '.cache', 'fedbroker-stack');
const BUILT_FOLDER_PREFIX = 'spire-';
const VERSION_TIMEOUT_MS = 10_000;
const READY_TIMEOUT_MS = 20_000;
const END_TIMEOUT_MS = 5_000;
/** Linux allows 107 bytes without the terminating zero, macOS 103. */
const MAX_SOCKET_PATH_BYTES = 103;

/** `program`: a path; undefined takes the newest that was built for the tests, or else the one in PATH. */
export async function realSpire(program: string | undefined): Promise<SpireStarter> {
  const found = program ?? (await builtProgram()) ?? 'spire-server';
  const version = await versionOf(found, program === undefined);
  return { version, start: (trustDomain, folder) => startServer(found, trustDomain, folder) };
}

async function builtProgram(): Promise<string | undefined> {
  const folders = await readdir(BUILT_BELOW).catch(() => []);
  const programs = folders
    .filter((name) => name.startsWith(BUILT_FOLDER_PREFIX) && !name.includes('.unfinished'))
    .map((name) => join(BUILT_BELOW, name, 'spire-server'));
  const dated = await Promise.all(
    programs.map(async (path) => ({ path, builtAtMs: (await stat(path).catch(() => undefined))?.mtimeMs ?? 0 })),
  );
  const [newest] = dated.filter(({ builtAtMs }) => builtAtMs > 0).sort((a, b) => b.builtAtMs - a.builtAtMs);
  return newest?.path;
}

async function versionOf(program: string, wasSearched: boolean): Promise<string> {
  try {
    const { stdout, stderr } = await promisify(execFile)(program, ['--version'], { timeout: VERSION_TIMEOUT_MS });
    // SPIRE writes it to stderr; a build of one's own says `1.15.3-dev-unk`.
    return /\d+\.\d+\.\d+/.exec(`${stdout}${stderr}`)?.[0] ?? 'unknown';
  } catch (error) {
    const sought = wasSearched ? ` (neither below ${BUILT_BELOW} nor in PATH)` : '';
    throw new Error(
      `"${program}" cannot be run${sought}: ${(error as Error).message}. Name yours with --spire-server FILE, or let "npm run test:stack -- spire-server" build one from source (needs Go and gcc)`,
      { cause: error },
    );
  }
}

async function startServer(program: string, trustDomain: TrustDomain, folder: string): Promise<RunningSpire> {
  const socketPath = join(folder, 'spire.sock');
  if (Buffer.byteLength(socketPath) > MAX_SOCKET_PATH_BYTES) {
    throw new Error(`the socket path ${socketPath} is too long: set TMPDIR to a shorter folder`);
  }
  const dataFolder = join(folder, 'spire-data');
  await mkdir(dataFolder);
  const configPath = join(folder, 'server.conf');
  await writeFile(configPath, serverConfig({ trustDomain, socketPath, dataFolder, port: await freePort() }));
  const logPath = join(folder, 'spire-server.log');
  const log = openSync(logPath, 'a');
  const child = spawn(program, ['run', '-config', configPath], { stdio: ['ignore', log, log] });
  closeSync(log);
  const server = new ServerProcess(child);
  const client = openSpireServer({ socketPath, trustDomain });
  try {
    const isUp = async () =>
      server.ended ||
      ((await access(socketPath).then(
        () => true,
        () => false,
      )) &&
        (await client.isServing().catch(() => false)));
    const up = await waitUntil(isUp, {
      everyMs: 50,
      timeoutMs: READY_TIMEOUT_MS,
      signal: new AbortController().signal,
    });
    if (up && !server.ended) return { socketPath, stop: () => server.end() };
  } finally {
    client.close();
  }
  await server.end();
  const lines = (await readFile(logPath, 'utf8')).trimEnd().split('\n').slice(-5).join('\n');
  throw new Error(`spire-server of ${trustDomain} did not start. The end of its log:\n${lines}`);
}

class ServerProcess {
  readonly #child: ChildProcess;
  readonly #gone: Promise<void>;
  readonly #killAtExit: () => void;
  #ended = false;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#killAtExit = () => child.kill('SIGKILL');
    process.once('exit', this.#killAtExit);
    this.#gone = new Promise((resolve) => {
      const ended = () => {
        this.#ended = true;
        process.off('exit', this.#killAtExit);
        resolve();
      };
      child.once('error', ended).once('exit', ended);
    });
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** SIGTERM, and SIGKILL when that was not enough. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_TIMEOUT_MS);
    await this.#gone;
    clearTimeout(timer);
  }
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
    KeyManager "memory" {
        plugin_data {}
    }
    NodeAttestor "join_token" {
        plugin_data {}
    }
}
`;
}

/** SPIRE cannot be asked for the port it chose, so it is chosen for it. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
