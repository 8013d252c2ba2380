// How does a test run a real SPIRE Agent, and what does a workload of this user get from it?
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { programPath } from '../parts.ts';
import { type Child, startChild } from './child-process.ts';
import type { Cleanup } from './cleanup.ts';
import { eventually } from './eventually.ts';
import { outputOf, runProgram } from './run-program.ts';
import { renderConfig } from './spire-config.ts';
import type { SpireServer } from './spire-server.ts';
import { parseX509Answer, type X509Answer, type X509Context } from './x509-context.ts';

export interface Workload {
  /** For example `/payments`. */
  readonly path: string;
  /** Trust domain names; their bundles must already be stored in the server. */
  readonly federatesWith?: readonly string[];
  /** A custom id of the registration entry. */
  readonly entryId?: string;
}

export interface SpireAgentOptions {
  /** Tells the agents beside one server apart. Default `agent`. */
  readonly name?: string;
  /** What Envoys ask for to get every bundle, `ROOTCA` beside Istio. Default: SPIRE's own, `ALL`. */
  readonly sdsAllBundlesName?: string;
  /** `disable_spiffe_cert_validation`: roots come as one list, and not at all where all bundles are asked for. */
  readonly sdsValidatorDisabled?: boolean;
  /** How often it asks the server for news. Default: SPIRE's own, 5. */
  readonly syncSeconds?: number;
}

export type JwtValidation =
  { readonly ok: true; readonly spiffeId: string } | { readonly ok: false; readonly reason: string };

export interface SpireAgent {
  readonly spiffeId: string;
  /** The Workload API, and SDS for Envoy. */
  readonly socketPath: string;
  readonly logPath: string;
  log(): string;
  /**
   * A registration entry for every program of this user on this agent. Resolves to its id; the agent has it 5 to 9 s
   * later, see {@link waitForX509}.
   */
  registerWorkload(workload: Workload): Promise<string>;
  /** What the Workload API answers at this moment. Rejects as long as there is no identity. */
  fetchX509(): Promise<X509Context>;
  /** The first answer that `accept` accepts, default the first at all. `timeoutMs`: default 30,000. */
  waitForX509(accept?: (context: X509Context) => boolean, timeoutMs?: number): Promise<X509Context>;
  /** A JWT-SVID for the audience. */
  fetchJwt(audience: string): Promise<string>;
  /** What this agent says about a token, also one of a peer. */
  validateJwt(audience: string, token: string): Promise<JwtValidation>;
  /** The program is gone, by itself or killed. */
  hasEnded(): boolean;
  kill(): Promise<void>;
  /** Starts it again as a new machine would be: what it had on disk is gone. */
  restart(): Promise<void>;
}

/** Resolves when the agent is attested and answers its health check. Any number may run beside one server. */
export async function startSpireAgent(
  cleanup: Cleanup,
  server: SpireServer,
  options: SpireAgentOptions = {},
): Promise<SpireAgent> {
  const program = programPath('spire', 'spire-agent');
  const { name = 'agent' } = options;
  const folder = join(server.folder, name);
  const dataFolder = join(folder, 'data');
  const socketPath = join(folder, 'agent.sock');
  mkdirSync(folder);
  const node = await server.nodeAuthority.issue(name);
  const file = (fileName: string, text: string): string => {
    const path = join(folder, fileName);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const configPath = file(
    'agent.conf',
    renderConfig('agent.conf', {
      TRUST_DOMAIN: server.trustDomain,
      SERVER_ADDRESS: '127.0.0.1',
      SERVER_PORT: server.port,
      TRUST_BUNDLE_PATH: join(folder, 'bootstrap.pem'),
      SOCKET_PATH: socketPath,
      DATA_DIR: dataFolder,
      LOG_LEVEL: 'DEBUG',
      SDS: [sdsBlock(options), syncBlock(options)].join('\n  '),
      NODE_CERTIFICATE_PATH: file('node.pem', node.certificatePem),
      NODE_PRIVATE_KEY_PATH: file('node-key.pem', node.privateKeyPem),
    }),
  );

  const start = async (): Promise<Child> => {
    rmSync(dataFolder, { recursive: true, force: true });
    mkdirSync(dataFolder);
    file('bootstrap.pem', await server.bundlePem());
    return startChild(cleanup, {
      name: `spire-agent ${name} of ${server.trustDomain}`,
      program,
      args: ['run', '-config', configPath],
      logPath: join(folder, 'agent.log'),
      isReady: async () => (await runProgram(program, ['healthcheck', '-socketPath', socketPath])).exitCode === 0,
    });
  };
  const api = (...args: readonly string[]): readonly string[] => [
    'api',
    ...args,
    '-socketPath',
    socketPath,
    '-output',
    'json',
  ];
  const apiJson = async (...args: readonly string[]): Promise<unknown> =>
    JSON.parse(await outputOf(program, api(...args)));

  const spiffeId = `spiffe://${server.trustDomain}${node.agentPath}`;
  const fetchX509 = async (): Promise<X509Context> => parseX509Answer((await apiJson('fetch', 'x509')) as X509Answer);
  let child = await start();
  return {
    spiffeId,
    socketPath,
    logPath: child.logPath,
    log: () => child.log(),
    registerWorkload: (workload) => createEntry(server, spiffeId, workload),
    fetchX509,
    waitForX509: (accept = () => true, timeoutMs = 30_000) =>
      eventually(
        `the workload of ${server.trustDomain} has the SVID and bundles expected`,
        async () => {
          const context = await fetchX509();
          return accept(context) && context;
        },
        { timeoutMs },
      ),
    fetchJwt: async (audience) => {
      const [answer] = (await apiJson('fetch', 'jwt', '-audience', audience)) as [JwtAnswer, ...unknown[]];
      return answer.svids[0]!.svid;
    },
    validateJwt: async (audience, token) => {
      const args = api('validate', 'jwt', '-audience', audience, '-svid', token);
      const { exitCode, stdout, stderr } = await runProgram(program, args);
      if (exitCode !== 0) return { ok: false, reason: (stderr || stdout).trim() };
      return { ok: true, spiffeId: (JSON.parse(stdout) as { readonly spiffe_id: string }).spiffe_id };
    },
    hasEnded: () => child.exitStatus() !== undefined,
    kill: () => child.kill(),
    restart: async () => {
      await child.end();
      child = await start();
    },
  };
}

function syncBlock({ syncSeconds }: SpireAgentOptions): string {
  return syncSeconds === undefined ? '' : `experimental { sync_interval = "${syncSeconds}s" }`;
}

/** An agent's configuration may hold one such block, or none. */
function sdsBlock({ sdsAllBundlesName, sdsValidatorDisabled = false }: SpireAgentOptions): string {
  const names =
    sdsAllBundlesName === undefined ? '' : renderConfig('istio-sds.conf', { ALL_BUNDLES_NAME: sdsAllBundlesName });
  if (!sdsValidatorDisabled) return names;
  const block = names === '' ? 'sds {\n}\n' : names;
  return block.replace(/\}\s*$/, '    disable_spiffe_cert_validation = true\n}\n');
}

interface JwtAnswer {
  readonly svids: readonly { readonly svid: string }[];
}

interface CreatedEntries {
  readonly results: readonly {
    readonly status: { readonly code: number; readonly message: string };
    readonly entry?: { readonly id: string };
  }[];
}

async function createEntry(server: SpireServer, parentId: string, workload: Workload): Promise<string> {
  const options = ['-parentID', parentId, '-spiffeID', `spiffe://${server.trustDomain}${workload.path}`];
  options.push('-selector', `unix:uid:${process.getuid?.() ?? 0}`);
  if (workload.entryId !== undefined) options.push('-entryID', workload.entryId);
  for (const peer of workload.federatesWith ?? []) options.push('-federatesWith', `spiffe://${peer}`);
  const { results } = await server.cliJson<CreatedEntries>(['entry', 'create', ...options]);
  const [result] = results;
  if (result?.entry === undefined)
    throw new Error(`entry for ${workload.path}: ${result?.status.message ?? 'no answer'}`);
  return result.entry.id;
}
