// How does a test run a real SPIRE Server of one trust domain, crash it, and speak to it as its operator?
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { programPath } from '../parts.ts';
import { type Child, startChild } from './child-process.ts';
import { Cleanup } from './cleanup.ts';
import { freePort } from './free-ports.ts';
import { createNodeAuthority, type NodeAuthority } from './node-attestation.ts';
import { outputOf, runProgram } from './run-program.ts';
import { renderConfig } from './spire-config.ts';
import { tempFolder } from './temp-folder.ts';

export interface SpireServerOptions {
  /**
   * How long a root is valid, default `24h`. `1m` rotates by itself every 30 s, but then nothing may be prepared by
   * hand: agents die of it. At least `1h` for rotations by hand.
   */
  readonly caTtl?: string;
  /** Default `1h`. */
  readonly x509SvidTtl?: string;
  /** Makes SPIRE serve its bundle by itself, as `spiffe://<trust domain>/spire/server`. Default: it does not. */
  readonly bundleEndpoint?: {
    /** For example `60s`. */
    readonly refreshHint: string;
  };
  /** Whose certificates sign its authorities, by the plugin `disk`. Default: they are roots. */
  readonly upstream?: UpstreamFiles;
}

/** Paths of PEM files. */
export interface UpstreamFiles {
  readonly certificatePath: string;
  readonly privateKeyPath: string;
  /** The roots, where the certificate is none. */
  readonly bundlePath?: string;
}

export interface SpireServer {
  readonly trustDomain: string;
  /** The Server API. */
  readonly socketPath: string;
  /** Where agents connect, on 127.0.0.1. */
  readonly port: number;
  /** Only with the option `bundleEndpoint`. */
  readonly bundleEndpointUrl: string | undefined;
  readonly logPath: string;
  /** A folder for whatever belongs to this trust domain; it is removed with the server. */
  readonly folder: string;
  /** Certificates for agents. */
  readonly nodeAuthority: NodeAuthority;
  readonly pid: () => number;
  log(): string;
  /** `spire-server <args> -socketPath …` and what it wrote to stdout. Rejects when it fails. */
  cli(args: readonly string[]): Promise<string>;
  /** The same with `-output json`, parsed. The caller knows the shape. */
  cliJson<T>(args: readonly string[]): Promise<T>;
  /** The roots of this trust domain, PEM. */
  bundlePem(): Promise<string>;
  /** The bundle document of this trust domain, as SPIRE writes it. */
  bundleDocument(): Promise<string>;
  /** As a crash would end it. */
  kill(): Promise<void>;
  /** Starts it again with the same data, ports and socket, after ending it politely if it runs. */
  restart(): Promise<void>;
  /** Copies its data and keys; what this resolves to puts them back. The server is restarted for either. */
  backUp(): Promise<() => Promise<void>>;
  /** SIGSTOP or SIGCONT: it hangs, it goes on. */
  signal(signal: NodeJS.Signals): void;
}

/** Resolves when the server answers its health check. */
export async function startSpireServer(
  cleanup: Cleanup,
  trustDomain: string,
  options: SpireServerOptions = {},
): Promise<SpireServer> {
  const program = programPath('spire', 'spire-server');
  const folder = tempFolder(cleanup, trustDomain);
  const socketPath = join(folder, 'server.sock');
  const port = await freePort();
  const bundleEndpointPort = options.bundleEndpoint === undefined ? undefined : await freePort();
  const nodeAuthority = await createNodeAuthority(trustDomain);
  const nodeCaPath = join(folder, 'node-ca.pem');
  writeFileSync(nodeCaPath, nodeAuthority.certificatePem);
  const dataFolder = join(folder, 'server-data');
  mkdirSync(dataFolder);
  const configPath = join(folder, 'server.conf');
  writeFileSync(
    configPath,
    renderConfig('server.conf', {
      TRUST_DOMAIN: trustDomain,
      BIND_ADDRESS: '127.0.0.1',
      BIND_PORT: port,
      SOCKET_PATH: socketPath,
      DATA_DIR: dataFolder,
      LOG_LEVEL: 'DEBUG',
      CA_TTL: options.caTtl ?? '24h',
      X509_SVID_TTL: options.x509SvidTtl ?? '1h',
      NODE_CA_PATH: nodeCaPath,
      BUNDLE_ENDPOINT: bundleEndpointBlock(bundleEndpointPort, options.bundleEndpoint?.refreshHint),
      UPSTREAM_AUTHORITY: upstreamBlock(options.upstream),
    }),
  );

  const start = (): Promise<Child> =>
    startChild(cleanup, {
      name: `spire-server of ${trustDomain}`,
      program,
      args: ['run', '-config', configPath],
      logPath: join(folder, 'server.log'),
      isReady: async () => (await runProgram(program, ['healthcheck', '-socketPath', socketPath])).exitCode === 0,
    });
  const cli = (args: readonly string[]): Promise<string> => outputOf(program, [...args, '-socketPath', socketPath]);
  let child = await start();
  const restart = async (whileDown: () => void = () => undefined): Promise<void> => {
    await child.end();
    whileDown();
    child = await start();
  };
  return {
    trustDomain,
    socketPath,
    port,
    bundleEndpointUrl: bundleEndpointPort === undefined ? undefined : `https://127.0.0.1:${bundleEndpointPort}`,
    logPath: child.logPath,
    folder,
    nodeAuthority,
    pid: () => child.pid,
    log: () => child.log(),
    cli,
    cliJson: async <T>(args: readonly string[]) => JSON.parse(await cli([...args, '-output', 'json'])) as T,
    bundlePem: () => cli(['bundle', 'show']),
    bundleDocument: () => cli(['bundle', 'show', '-format', 'spiffe']),
    kill: () => child.kill(),
    restart: () => restart(),
    backUp: async () => {
      const copy = mkdtempSync(join(folder, 'backup-'));
      await restart(() => {
        cpSync(dataFolder, copy, { recursive: true });
      });
      return () =>
        restart(() => {
          rmSync(dataFolder, { recursive: true });
          cpSync(copy, dataFolder, { recursive: true });
        });
    },
    signal: (signal) => {
      child.signal(signal);
    },
  };
}

function bundleEndpointBlock(port: number | undefined, refreshHint = ''): string {
  if (port === undefined) return '';
  return renderConfig('bundle-endpoint.conf', {
    BUNDLE_ENDPOINT_ADDRESS: '127.0.0.1',
    BUNDLE_ENDPOINT_PORT: port,
    BUNDLE_REFRESH_HINT: refreshHint,
  });
}

function upstreamBlock(upstream: UpstreamFiles | undefined): string {
  if (upstream === undefined) return '';
  const { certificatePath, privateKeyPath, bundlePath } = upstream;
  return renderConfig('upstream-authority.conf', {
    UPSTREAM_CERTIFICATE_PATH: certificatePath,
    UPSTREAM_PRIVATE_KEY_PATH: privateKeyPath,
    UPSTREAM_BUNDLE: bundlePath === undefined ? '' : `bundle_file_path = "${bundlePath}"`,
  });
}
