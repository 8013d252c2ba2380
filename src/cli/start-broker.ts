// Of what is a running broker made? Everything is wired here, started, and ended in order.
import { CronJob } from 'cron';
import { Registry } from 'prom-client';
import { createAdminApp } from '../admin/admin-app.ts';
import { startAdminServer } from '../admin/admin-server.ts';
import { createMetrics, type Metrics } from '../admin/metrics.ts';
import { createBundleSource } from '../bundle-endpoint/fetch-bundle.ts';
import { Broker } from '../broker/broker.ts';
import type { BrokerStatus } from '../broker/status.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Config } from '../config.ts';
import { sleep, systemClock } from '../federation/clock.ts';
import type { Logger } from '../log.ts';
import type { DirectoryDeclarations } from '../peer-files/judge-declarations.ts';
import { isSpireError } from '../spire/spire-error.ts';
import { productVersion } from '../version.ts';
import { createObserver } from './observe.ts';
import { openOwnEndpoint, type OwnEndpoint } from './own-endpoint.ts';
import { measureNow, readiness } from './readiness.ts';
import { brokerSettings, connectSpire, fetchLimits, peerDirectory, readBootstrap } from './wiring.ts';

const WAIT_FOR_SPIRE_MS = 1_000;

export interface RunningBroker {
  readonly trustDomain: TrustDomain;
  /** Where our own bundle is served. */
  readonly endpoint: Pick<OwnEndpoint, 'addresses' | 'publication'>;
  readonly status: () => BrokerStatus;
  /** Asks the peer at once, whatever its schedule says. */
  readonly refresh: (peer: TrustDomain) => void;
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
  const registry = new Registry();
  const metrics = createMetrics(registry);
  const endpoint = await openOwnEndpoint({
    config,
    trustDomain,
    spire,
    onIdentityFailure: (profile, error) => {
      log.error({ profile, err: error }, 'the identity of our bundle endpoint cannot be renewed; the one before stays');
    },
  });
  const peers = peerDirectory(config, trustDomain);
  const broker: Broker = new Broker({
    trustDomain,
    spire,
    source: createBundleSource(fetchLimits(config)),
    peers: {
      watch: (report, watchSignal) =>
        peers.watch((declared) => {
          noteDeclarations(declared, log, metrics);
          report(declared);
        }, watchSignal),
    },
    readBootstrap,
    settings: brokerSettings(config),
    observer: createObserver({ log, metrics, status: () => broker.status(), publish: endpoint.publish }),
    scheduleSweeps: (sweep, sweepSignal) => {
      const job = CronJob.from({
        cronTime: config.resyncSchedule,
        onTick: sweep,
        waitForCompletion: true,
        start: true,
      });
      sweepSignal.addEventListener('abort', () => void job.stop());
    },
  });
  const status = () => ({
    ...broker.status(),
    version: productVersion(),
    declarationFaults: peers.latest?.faults ?? [],
    endpoint: { addresses: endpoint.addresses, etag: endpoint.publication.etag, waiting: endpoint.publication.waiting },
    servingSvid: endpoint.servingSvid(),
  });
  const admin =
    config.adminAddress === undefined
      ? undefined
      : await startAdminServer(
          createAdminApp({
            livez: () => [{ name: 'process', ok: true, ageSeconds: undefined }],
            readyz: () => readiness(broker.status(), endpoint, config.serveSpiffeAddress !== undefined),
            metrics: {
              contentType: registry.contentType,
              metrics: () => {
                measureNow(broker.status(), endpoint, metrics);
                return registry.metrics();
              },
            },
            status,
          }),
          config.adminAddress,
        );
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
    async stop() {
      await broker.stop();
      await Promise.all([endpoint.close(), admin?.close()]);
      spire.close();
    },
  };
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
