// How does the broker run beside spire-server? Everything is wired here, started, and ended in order.
import { CronJob } from 'cron';
import { Registry } from 'prom-client';
import { createAdminApp, type Check } from '../admin/admin-app.ts';
import { startAdminServer } from '../admin/admin-server.ts';
import { createMetrics, type Metrics } from '../admin/metrics.ts';
import { createBundleSource } from '../bundle-endpoint/fetch-bundle.ts';
import { Broker } from '../broker/broker.ts';
import type { BrokerStatus } from '../broker/status.ts';
import { sleep, systemClock } from '../federation/clock.ts';
import { createLogger, type Logger } from '../log.ts';
import type { DirectoryDeclarations } from '../peer-files/judge-declarations.ts';
import { isSpireError } from '../spire/spire-error.ts';
import { productVersion } from '../version.ts';
import type { Command, CommandContext } from './command.ts';
import { createObserver } from './observe.ts';
import { openOwnEndpoint, type OwnEndpoint } from './own-endpoint.ts';
import { brokerSettings, connectSpire, fetchLimits, peerDirectory, readBootstrap } from './wiring.ts';

const WAIT_FOR_SPIRE_MS = 1_000;
/** After this long without an answer of SPIRE the broker says that it is not ready. */
const OWN_BUNDLE_STALE_SECONDS = 60;

export const runCommand: Command = {
  name: 'run',
  usage: '[--setting value …]',
  summary: 'run the broker beside spire-server until it is asked to end',
  flags: {},
  async run(context) {
    const { config, signal } = context;
    const log = createLogger({ level: config.logLevel, format: config.logFormat, write: context.print });
    const stop = await startBroker(context, log);
    if (!signal.aborted)
      await new Promise((resolve) => {
        signal.addEventListener('abort', resolve);
      });
    log.info('ending');
    await stop();
    log.info('ended');
    return 0;
  },
};

/** Resolves, once SPIRE was reached, to what ends it. */
async function startBroker({ config, signal }: CommandContext, log: Logger): Promise<() => Promise<void>> {
  log.info({ version: productVersion(), node: process.versions.node, spireSocket: config.spireSocket }, 'starting');
  const connected = await waitForSpire(config, log, signal);
  if (connected === undefined) return () => Promise.resolve();
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
  return async () => {
    await broker.stop();
    await Promise.all([endpoint.close(), admin?.close()]);
    spire.close();
  };
}

/** SPIRE may start after us, and a restart of it must not end us. Undefined when we are to end before it came. */
async function waitForSpire(
  config: CommandContext['config'],
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

/** Ready: our endpoint can serve, and SPIRE answered lately. A peer that is down is no reason to be taken out. */
function readiness(status: BrokerStatus, endpoint: OwnEndpoint, servesSpiffe: boolean): Check[] {
  const read = 'readAt' in status.ownBundle ? ageSeconds(status, status.ownBundle.readAt) : undefined;
  const checks: Check[] = [
    {
      name: 'own bundle',
      ok: read !== undefined && read <= OWN_BUNDLE_STALE_SECONDS,
      ageSeconds: read,
      ...('message' in status.ownBundle && { message: status.ownBundle.message }),
    },
    ...status.unreadable.map(({ fact, message }) => ({ name: fact, ok: false, ageSeconds: undefined, message })),
  ];
  const svid = endpoint.servingSvid();
  if (!servesSpiffe) return checks;
  return [
    ...checks,
    { name: 'serving SVID', ok: svid !== undefined && svid.notAfter > new Date(), ageSeconds: undefined },
  ];
}

function ageSeconds({ now }: BrokerStatus, at: string): number {
  return (Date.parse(now) - Date.parse(at)) / 1000;
}

/** What changes without a pass. */
function measureNow({ ownBundle }: BrokerStatus, endpoint: OwnEndpoint, metrics: Metrics): void {
  metrics.set('waiting_requests', {}, endpoint.publication.waiting);
  metrics.set('serving_svid_expiry_timestamp_seconds', {}, endpoint.servingSvid()?.notAfter);
  metrics.set('own_bundle_read_timestamp_seconds', {}, 'readAt' in ownBundle ? new Date(ownBundle.readAt) : undefined);
}
