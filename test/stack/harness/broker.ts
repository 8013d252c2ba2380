// How does a test run the broker of one trust domain as its operator does: the program, its peers directory, its pages?
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import type { PeerStatus } from '../../../src/broker/peer-status.ts';
import type { BrokerStatus } from '../../../src/broker/status.ts';
import { peerDocument } from '../../federation/peer-document.ts';
import { type Child, startChild } from './child-process.ts';
import type { Cleanup } from './cleanup.ts';
import { eventually } from './eventually.ts';
import { freePort } from './free-ports.ts';
import { type ProgramResult, runProgram } from './run-program.ts';
import type { SpireServer } from './spire-server.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../..');
/** OpenSSL's settings, as the systemd unit and the image have them. */
export const OPENSSL_CONF = join(ROOT, 'deploy/openssl.cnf');
/** The one file that is installed; `npm run test:stack` builds it before the tests. */
export const PROGRAM = join(ROOT, 'dist/fedbroker.mjs');

/** Settings by flag name without dashes, for example `{ 'refresh-min-seconds': 1 }`. */
export type BrokerFlags = Readonly<Record<string, string | number>>;

export interface Broker {
  readonly trustDomain: string;
  readonly pid: () => number;
  readonly logPath: string;
  /** Host and port of its pages. */
  readonly adminAddress: string;
  /** Where peers fetch this trust domain's bundle, profile https_spiffe. */
  readonly endpointUrl: string;
  readonly endpointSpiffeId: string;
  readonly peersFolder: string;
  log(): string;
  /** Writes `<name>.yaml`; `spec` is merged over the declaration of a broker's https_spiffe endpoint. */
  declare(name: string, spec: Readonly<Record<string, unknown>>): void;
  /** Deletes `<name>.yaml`. */
  undeclare(name: string): void;
  status(): Promise<BrokerStatus>;
  /** Undefined while no such peer is known. */
  peer(trustDomain: string): Promise<PeerStatus | undefined>;
  /** The first status of the peer that `accept` accepts. Default: it is ready. */
  waitForPeer(trustDomain: string, accept?: (peer: PeerStatus) => boolean, timeoutMs?: number): Promise<PeerStatus>;
  /** A sample of a metric line that starts with this text; undefined when there is none. */
  metric(lineStart: string): Promise<number | undefined>;
  /** `fedbroker <args>` with this broker's settings. */
  cli(args: readonly string[]): Promise<ProgramResult>;
  /** SIGTERM. Resolves when it is gone. */
  end(): Promise<void>;
  /** SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts it again with the same settings and peers, after ending it politely if it runs. */
  restart(): Promise<void>;
}

/** Resolves when the broker is ready, for which it must have reached SPIRE. */
export async function startBroker(
  cleanup: Cleanup,
  server: Pick<SpireServer, 'trustDomain' | 'socketPath' | 'folder'>,
  flags: BrokerFlags = {},
  name = 'broker',
): Promise<Broker> {
  const folder = join(server.folder, name);
  const peersFolder = join(folder, 'peers');
  mkdirSync(peersFolder, { recursive: true });
  const [endpointPort, adminPort] = [await freePort(), await freePort()];
  const settings = {
    'spire-socket': server.socketPath,
    'peers-directory': peersFolder,
    'peers-poll-ms': 200,
    'serve-spiffe-address': `127.0.0.1:${endpointPort}`,
    'admin-address': `127.0.0.1:${adminPort}`,
    'log-level': 'debug',
    ...flags,
  };
  const args = Object.entries(settings).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
  const adminUrl = `http://127.0.0.1:${adminPort}`;
  const get = (path: string) => fetch(`${adminUrl}${path}`, { signal: AbortSignal.timeout(5_000) });
  const start = (): Promise<Child> =>
    startChild(cleanup, {
      name: `broker of ${server.trustDomain}`,
      // As the systemd unit does: the options of Node are those of the program's first line, OpenSSL's of that file.
      program: PROGRAM,
      args: ['run', ...args],
      env: { ...process.env, OPENSSL_CONF },
      logPath: join(folder, 'broker.log'),
      cwd: ROOT,
      isReady: async () => (await get('/readyz')).ok,
    });
  const status = async () => (await (await get('/status')).json()) as BrokerStatus;
  const peer = async (trustDomain: string) =>
    (await status()).peers.find((candidate) => candidate.trustDomain === trustDomain);

  let child = await start();
  return {
    trustDomain: server.trustDomain,
    pid: () => child.pid,
    logPath: child.logPath,
    adminAddress: `127.0.0.1:${adminPort}`,
    endpointUrl: `https://127.0.0.1:${endpointPort}/`,
    endpointSpiffeId: `spiffe://${server.trustDomain}/federation-broker`,
    peersFolder,
    log: () => child.log(),
    declare: (peerName, spec) => {
      writeFileSync(join(peersFolder, `${peerName}.yaml`), stringify(peerDocument(peerName, spec)));
    },
    undeclare: (peerName) => {
      rmSync(join(peersFolder, `${peerName}.yaml`));
    },
    status,
    peer,
    waitForPeer: (trustDomain, accept = isReady, timeoutMs = 30_000) =>
      eventually(
        `the broker of ${server.trustDomain} says of ${trustDomain} what is expected`,
        async () => {
          const found = await peer(trustDomain);
          if (found !== undefined && accept(found)) return found;
          throw new Error(JSON.stringify(found?.conditions.filter((each) => each.status !== 'True')));
        },
        { timeoutMs },
      ),
    metric: async (lineStart) => {
      const lines = (await (await get('/metrics')).text()).split('\n');
      const line = lines.find((candidate) => candidate.startsWith(lineStart));
      return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ') + 1));
    },
    cli: ([command = '', ...rest]) => runProgram(process.execPath, [PROGRAM, command, ...rest, ...args]),
    end: () => child.end(),
    kill: () => child.kill(),
    restart: async () => {
      await child.end();
      child = await start();
    },
  };
}

/** Whether the condition `Ready` is true. */
export function isReady({ conditions }: PeerStatus): boolean {
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
}

/** The reason of a peer's condition; undefined when it has no such condition. */
export function reasonOf({ conditions }: PeerStatus, type: string): string | undefined {
  return conditions.find((condition) => condition.type === type)?.reason;
}

/** The declaration of a peer that runs a broker too: its endpoint, and its bundle for the first contact. */
export async function declarationOf(
  peer: Broker,
  peerServer: SpireServer,
  rest: Readonly<Record<string, unknown>> = {},
): Promise<Record<string, unknown>> {
  return {
    trustDomain: peer.trustDomain,
    bundleEndpointURL: peer.endpointUrl,
    bundleEndpointProfile: { type: 'https_spiffe', endpointSPIFFEID: peer.endpointSpiffeId },
    trustDomainBundle: { inline: await peerServer.bundleDocument() },
    ...rest,
  };
}
