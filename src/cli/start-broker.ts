// Of what is a running broker made? Everything is wired here, started, and ended in order.
import { CronJob } from 'cron';
import { Registry } from 'prom-client';
import { createAdminApp } from '../admin/admin-app.ts';
import { startAdminServer, type AdminServer } from '../admin/admin-server.ts';
import { createMetrics, type Metrics } from '../admin/metrics.ts';
import { boundHeldRequests } from '../bundle-endpoint/bound-held-requests.ts';
import { createBundleSource } from '../bundle-endpoint/fetch-bundle.ts';
import { paceFetches, type FetchPace } from '../bundle-endpoint/pace-fetches.ts';
import { queueFetches } from '../bundle-endpoint/queue-fetches.ts';
import { Broker } from '../broker/broker.ts';
import type { BrokerStatus } from '../broker/status.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Config } from '../config.ts';
import { sleep, systemClock } from '../federation/clock.ts';
import type { SpireServer } from '../federation/ports.ts';
import type { Logger } from '../log.ts';
import type { PeerDirectory } from '../peer-files/peer-directory.ts';
import type { DirectoryDeclarations } from '../peer-files/judge-declarations.ts';
import { isSpireError } from '../spire/spire-error.ts';
import { productVersion } from '../version.ts';
import { createObserver } from './observe.ts';
import { openOwnEndpoint, type OwnEndpoint } from './own-endpoint.ts';
import { measure } from './measure.ts';
import { readiness } from './readiness.ts';
import { brokerSettings, connectSpire, fetchLimits, peerDirectory, readBootstrap } from './wiring.ts';

const WAIT_FOR_SPIRE_MS = 1_000;
/** A thousand peers are asked within twenty seconds of a start, on less than one core. */
const FETCH_PACE: FetchPace = { perSecond: 50, burst: 25 };
/** Endpoints that do not answer take their places for a few seconds: enough are left for the others. */
const MAX_FETCHES_UNDER_WAY = 32;

export interface RunningBroker {
  readonly trustDomain: TrustDomain;
  /** Where our own bundle is served. */
  readonly endpoint: Pick<OwnEndpoint, 'addresses' | 'publication'>;
  readonly status: () => BrokerStatus;
  /** Asks the peer at once, whatever its schedule says. */
  readonly refresh: (peer: TrustDomain) => void;
  readonly refreshAll: () => void;
  readonly stop: () => Promise<void>;
}

/** Resolves when it runs; undefined when the signal aborts before SPIRE was reached. */
export async function startBroker(
  config: Config,
  log: Logger,
  signal: AbortSignal,
): Promise<RunningBroker | undefined> {
  log.info({ version: productVersion(), node: process.versions.node, spireSocket: config.spireSocket }, 'starting');
  const connected = await waitForSpire(config, log, signal);
  if (connected === undefined) return undefined;
  const { trustDomain, spire } = connected;
  // What was started, to be ended in the reverse order: also when something after it cannot be started.
  const started: (() => Promise<void> | void)[] = [
    () => {
      spire.close();
    },
  ];
  const stop = async () => {
    for (const end of started.splice(0).reverse()) await end();
  };
  try {
    const endpoint = await openOwnEndpoint({
      config,
      trustDomain,
      spire,
      onIdentityFailure: (profile, error) => {
        log.error(
          { profile, err: error },
          'the identity of our bundle endpoint cannot be renewed; the one before stays',
        );
      },
    });
    started.push(endpoint.close);
    const registry = new Registry();
    const metrics = createMetrics(registry);
    const { broker, peers } = createBroker({ config, trustDomain, spire, endpoint, log, metrics });
    const admin = await openAdmin(config, { broker, peers, endpoint, registry, metrics });
    if (admin !== undefined) started.push(admin.close);
    started.push(() => broker.stop());
    await broker.start();
    log.info(
      {
        trustDomain,
        ...endpoint.addresses,
        admin: admin && { host: admin.host, port: admin.port },
        peersDirectory: config.peersDirectory,
      },
      'running',
    );
    return {
      trustDomain,
      endpoint,
      status: () => broker.status(),
      refresh: (peer) => {
        broker.refresh(peer);
      },
      refreshAll: () => {
        broker.refreshAll();
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface BrokerCreation {
  readonly config: Config;
  readonly trustDomain: TrustDomain;
  readonly spire: SpireServer;
  readonly endpoint: OwnEndpoint;
  readonly log: Logger;
  readonly metrics: Metrics;
}

function createBroker({ config, trustDomain, spire, endpoint, log, metrics }: BrokerCreation) {
  const peers = peerDirectory(config, trustDomain);
  const broker: Broker = new Broker({
    trustDomain,
    spire,
    source: boundHeldRequests(
      paceFetches(
        queueFetches(createBundleSource(fetchLimits(config)), MAX_FETCHES_UNDER_WAY),
        FETCH_PACE,
        systemClock,
      ),
      config.maxHeldRequests,
    ),
    peers: {
      watch: (report, signal) =>
        peers.watch((declared) => {
          noteDeclarations(declared, log, metrics);
          report(declared);
        }, signal),
    },
    readBootstrap,
    settings: brokerSettings(config),
    observer: createObserver({ log, metrics, status: () => broker.status(), publish: endpoint.publish }),
    scheduleSweeps: (sweep, signal) => {
      const { resyncSchedule: cronTime } = config;
      const job = CronJob.from({ cronTime, onTick: sweep, waitForCompletion: true, start: true });
      signal.addEventListener('abort', () => void job.stop());
    },
  });
  return { broker, peers };
}

interface AdminParts {
  readonly broker: Broker;
  readonly peers: PeerDirectory;
  readonly endpoint: OwnEndpoint;
  readonly registry: Registry;
  readonly metrics: Metrics;
}

async function openAdmin(config: Config, parts: AdminParts): Promise<AdminServer | undefined> {
  if (config.adminAddress === undefined) return undefined;
  const { broker, peers, endpoint, registry, metrics } = parts;
  const app = createAdminApp({
    livez: () => [{ name: 'process', ok: true, ageSeconds: undefined }],
    readyz: () => readiness(broker.status(), endpoint, config.serveSpiffeAddress !== undefined),
    metrics: {
      contentType: registry.contentType,
      metrics: () => {
        measure(broker.status(), endpoint, metrics);
        return registry.metrics();
      },
    },
    status: () => {
      const { waiting, etag } = endpoint.publication;
      return {
        ...broker.status(),
        version: productVersion(),
        declarationFaults: peers.latest?.faults ?? [],
        endpoint: { addresses: endpoint.addresses, etag, waiting },
        servingSvid: endpoint.servingSvid(),
      };
    },
  });
  return startAdminServer(app, config.adminAddress);
}

/** SPIRE may start after us, and a restart of it must not end us. Undefined when we are to end before it came. */
async function waitForSpire(
  config: Config,
  log: Logger,
  signal: AbortSignal,
): Promise<Awaited<ReturnType<typeof connectSpire>> | undefined> {
  let told = false;
  while (!signal.aborted) {
    try {
      return await connectSpire(config, signal, ({ kind, name, error }) => {
        log.warn({ kind, subject: name, err: error }, 'SPIRE holds something that cannot be read; it is left alone');
      });
    } catch (error) {
      const isDown = isSpireError(error, 'SpireUnreachable') || isSpireError(error, 'SpireDeadlineExceeded');
      if (!isDown) throw error;
      if (!told) log.warn({ reason: error.code, err: error }, 'waiting for SPIRE Server');
      told = true;
    }
    await sleep(systemClock, WAIT_FOR_SPIRE_MS, signal);
  }
  return undefined;
}

function noteDeclarations(declared: DirectoryDeclarations | Error, log: Logger, metrics: Metrics): void {
  if (declared instanceof Error) {
    log.error({ err: declared }, 'declarations cannot be read; those before stay in force');
    return;
  }
  const { peers, faults, incompleteBecause } = declared;
  metrics.set('declaration_faults', {}, faults.length);
  log.info({ peers: peers.map(({ name }) => name), faults: faults.length, incompleteBecause }, 'declarations read');
  for (const { file, line, column, path, message } of faults) {
    log.error({ file, line, column, path }, `${file}:${line}:${column}: ${path} ${message}`);
  }
}
