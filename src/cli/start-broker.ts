// Of what is a running broker made? Everything is wired here, started, and ended in order.
import { Registry } from 'prom-client';
import { createAdminApp } from '../admin/admin-app.ts';
import { startAdminServer, type AdminServer } from '../admin/admin-server.ts';
import { writtenStatus } from '../broker/status.ts';
import { createMetrics, type Metrics } from '../admin/metrics.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Config } from '../config.ts';
import { sleep, systemClock } from '../federation/clock.ts';
import type { Logger } from '../log.ts';
import { isSpireError } from '../spire/spire-error.ts';
import { productVersion } from '../version.ts';
import { openOwnEndpoint, type OwnEndpoint } from './own-endpoint.ts';
import { measure } from './measure.ts';
import { readiness } from './readiness.ts';
import { replicaOfFiles } from './replica-of-files.ts';
import { replicaOfKubernetes } from './replica-of-kubernetes.ts';
import type { Replica } from './replica.ts';
import { connectSpire } from './wiring.ts';

const WAIT_FOR_SPIRE_MS = 1_000;

export interface RunningBroker extends Pick<Replica, 'status' | 'refresh' | 'refreshAll' | 'stop'> {
  readonly trustDomain: TrustDomain;
  /** Where our own bundle is served. */
  readonly endpoint: Pick<OwnEndpoint, 'addresses' | 'publication'>;
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
    const ground = { config, trustDomain, spire, endpoint, log, metrics };
    const replica = config.kubernetes === 'off' ? replicaOfFiles(ground) : await replicaOfKubernetes(ground);
    const admin = await openAdmin(config, { replica, endpoint, registry, metrics });
    if (admin !== undefined) started.push(admin.close);
    started.push(replica.stop);
    await replica.start();
    log.info(
      {
        trustDomain,
        ...endpoint.addresses,
        admin: admin && { host: admin.host, port: admin.port },
        peers: config.kubernetes === 'off' ? config.peersDirectory : 'PeerTrustDomain objects',
      },
      'running',
    );
    return { ...replica, trustDomain, endpoint, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface AdminParts {
  readonly replica: Replica;
  readonly endpoint: OwnEndpoint;
  readonly registry: Registry;
  readonly metrics: Metrics;
}

async function openAdmin(config: Config, parts: AdminParts): Promise<AdminServer | undefined> {
  if (config.adminAddress === undefined) return undefined;
  const { replica, endpoint, registry, metrics } = parts;
  const app = createAdminApp({
    livez: () => [{ name: 'process', ok: true, ageSeconds: undefined }],
    readyz: () => readiness(replica.status(), endpoint, config.serveSpiffeAddress !== undefined),
    metrics: {
      contentType: registry.contentType,
      metrics: () => {
        measure(replica, endpoint, metrics);
        return registry.metrics();
      },
    },
    status: () => {
      const { waiting, etag } = endpoint.publication;
      return {
        ...writtenStatus(replica.status()),
        version: productVersion(),
        ...replica.details(),
        declarationFaults: replica.declarationFaults() ?? [],
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
