// How many answers a second does our bundle endpoint give, and how many SPIRE's own? (SPIFFE Federation §5.2)
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OPENSSL_CONF, startBroker } from '../stack/harness/broker.ts';
import { startChild } from '../stack/harness/child-process.ts';
import { Cleanup } from '../stack/harness/cleanup.ts';
import { eventually } from '../stack/harness/eventually.ts';
import { outputOf } from '../stack/harness/run-program.ts';
import { startSpireServer } from '../stack/harness/spire-server.ts';
import { programPath } from '../stack/parts.ts';
import { cpuSeconds } from './process-usage.ts';
import { quantile, rounded } from './summary.ts';

const BARE_ENDPOINT = fileURLToPath(new URL('bare-endpoint.ts', import.meta.url));
const CONNECTIONS = 16;
/** What both do at first is read and optimized by then. */
const WARM_UP_SECONDS = 5;
/**
 * The endpoints take turns of a second, so that a slower moment of the machine meets both, and so many that each has
 * some which nothing else disturbs.
 */
const ROUNDS = 20;
const SECONDS_EACH = 1;

/** What the clients do; each row is a flag of the load generator. */
const LOADS = {
  newConnections: [],
  keepAlive: ['--keep-alive'],
  notModified: ['--keep-alive', '--conditional'],
} as const;

export type LoadName = keyof typeof LOADS;

/** Of a turn. */
export interface LoadReport {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the program that answers, for one request. */
  readonly cpuMsPerRequest: number;
  /** Answers by status code. */
  readonly statuses: Readonly<Record<string, number>>;
}

export interface LoadComparison {
  /** The best of its turns. */
  readonly broker: LoadReport;
  /** The best of its turns. SPIRE has no 304: a conditional request gets the whole document. */
  readonly spire: LoadReport;
  /** Above 1: the broker does more, or needs less. */
  readonly ratio: {
    readonly requestsPerSecond: number;
    /** Requests a second again, of each turn and the one after it: the machine as it is, with all that disturbs it. */
    readonly middleOfTurns: number;
    readonly requestsPerCpuSecond: number;
  };
}

export type EndpointReport = Readonly<Record<LoadName, LoadComparison>> & {
  readonly connections: number;
  /** New connections to an endpoint on Node that only answers, in turns with SPIRE's. */
  readonly bareNode: LoadComparison;
};

interface Target {
  readonly url: string;
  readonly pid: number;
}

/** One SPIRE Server whose bundle is served twice: by itself and by the broker beside it. Profile https_spiffe both. */
export async function measureEndpoints(): Promise<EndpointReport> {
  await using cleanup = new Cleanup();
  const server = await startSpireServer(cleanup, 'west.test', { bundleEndpoint: { refreshHint: '60s' } });
  const broker = await startBroker(cleanup, server, { 'log-level': 'warn' });
  const ours = { url: broker.endpointUrl, pid: broker.pid() };
  const theirs = { url: server.bundleEndpointUrl ?? '', pid: server.pid() };
  const bare = await startBare(cleanup, server.folder);
  for (const target of [ours, theirs, bare]) {
    await eventually(`${target.url} has its certificate`, () => runLoad('newConnections', target, 0.1));
  }
  return {
    connections: CONNECTIONS,
    newConnections: await compare('newConnections', ours, theirs),
    keepAlive: await compare('keepAlive', ours, theirs),
    notModified: await compare('notModified', ours, theirs),
    bareNode: await compare('newConnections', bare, theirs),
  };
}

/** With V8's own defaults: it is as fast as Node lets it be. */
async function startBare(cleanup: Cleanup, folder: string): Promise<Target> {
  const logPath = join(folder, 'bare-endpoint.log');
  const url = () => /^https:\S+$/m.exec(readFileSync(logPath, 'utf8'))?.[0];
  const { pid } = await startChild(cleanup, {
    name: 'the bare endpoint',
    program: process.execPath,
    args: ['--import', 'tsx', BARE_ENDPOINT],
    env: { ...process.env, OPENSSL_CONF },
    logPath,
    isReady: () => Promise.resolve(url() !== undefined),
  });
  return { url: url() ?? '', pid };
}

async function compare(name: LoadName, ours: Target, theirs: Target): Promise<LoadComparison> {
  const rounds: { readonly broker: LoadReport; readonly spire: LoadReport }[] = [];
  for (const target of [ours, theirs]) await runLoad(name, target, WARM_UP_SECONDS);
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push({ broker: await runLoad(name, ours), spire: await runLoad(name, theirs) });
  }
  const [broker, spire] = [best(rounds.map((round) => round.broker)), best(rounds.map((round) => round.spire))];
  const ratios = rounds.map((round) => round.broker.requestsPerSecond / round.spire.requestsPerSecond);
  return {
    broker,
    spire,
    ratio: {
      requestsPerSecond: rounded(broker.requestsPerSecond / spire.requestsPerSecond, 2),
      middleOfTurns: rounded(quantile(ratios, 0.5), 2),
      requestsPerCpuSecond: rounded(spire.cpuMsPerRequest / broker.cpuMsPerRequest, 2),
    },
  };
}

function best(reports: readonly LoadReport[]): LoadReport {
  return reports.reduce((a, b) => (b.requestsPerSecond > a.requestsPerSecond ? b : a));
}

async function runLoad(name: LoadName, { url, pid }: Target, seconds = SECONDS_EACH): Promise<LoadReport> {
  const args = ['bench-fetch', '--url', url, '--connections', String(CONNECTIONS), '--seconds', String(seconds)];
  const cpuBefore = cpuSeconds(pid);
  const answer = JSON.parse(await outputOf(programPath('oracle', 'oracle'), [...args, ...LOADS[name]])) as Omit<
    LoadReport,
    'cpuMsPerRequest'
  > & { readonly requests: number };
  const cpu = cpuSeconds(pid) - cpuBefore;
  return {
    requestsPerSecond: Math.round(answer.requestsPerSecond),
    p50Ms: rounded(answer.p50Ms, 2),
    p99Ms: rounded(answer.p99Ms, 2),
    cpuMsPerRequest: rounded((cpu * 1000) / answer.requests, 3),
    statuses: answer.statuses,
  };
}
