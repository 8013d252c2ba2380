// Of what is a running broker made? Everything is wired here, started, and ended in order.
import { createAdminApp } from '../admin/admin-app.ts';
import { startAdminServer } from '../admin/admin-server.ts';
import { createMetrics } from '../admin/metrics.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Config } from '../config.ts';
import { sleep, systemClock } from '../federation/clock.ts';
import type { CodedError } from '../federation/ports.ts';
import type { Logger } from '../log.ts';
import { isSpireError } from '../spire/spire-error.ts';
import { productVersion } from '../version.ts';
import { AdminPages } from './admin-pages.ts';
import { openBrokerAudit } from './open-audit.ts';
import { openOwnEndpoint, type OwnEndpoint } from './own-endpoint.ts';
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

/**
 * Resolves when it runs; undefined when the signal aborts before SPIRE was reached. The admin pages answer from the
 * beginning.
 */
export async function startBroker(
  config: Config,
  log: Logger,
  signal: AbortSignal,
): Promise<RunningBroker | undefined> {
  log.info({ version: productVersion(), node: process.versions.node, spireSocket: config.spireSocket }, 'starting');
  // What was started, to be ended in the reverse order: also when something after it cannot be started.
  const started: (() => Promise<void> | void)[] = [];
  const stop = async () => {
    for (const end of started.splice(0).reverse()) await end();
  };
  try {
    const metrics = createMetrics();
    const pages = new AdminPages({ config, metrics });
    const admin = config.adminAddress && (await startAdminServer(createAdminApp(pages), config.adminAddress));
    if (admin !== undefined) {
      started.push(admin.close);
      log.info({ host: admin.host, port: admin.port }, 'admin pages served');
    }
    const connected = await waitForSpire(config, log, {
      signal,
      onWaiting: (error) => {
        pages.noteWaiting(error);
      },
    });
    if (connected === undefined) {
      await stop();
      return undefined;
    }
    const { trustDomain, spire } = connected;
    started.push(() => {
      spire.close();
    });
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
      onClientRefused: (reason) => {
        metrics.count('client_certificates_refused_total', { reason });
      },
      onClientFault: (error) => {
        log.error({ err: error }, 'a client certificate cannot be judged; its client is served all the same');
      },
    });
    started.push(endpoint.close);
    const auditor = await openBrokerAudit(config, log, metrics);
    const ground = { config, trustDomain, spire, endpoint, auditor, log, metrics };
    const replica = config.kubernetes === 'off' ? replicaOfFiles(ground) : await replicaOfKubernetes(ground);
    started.push(replica.stop);
    endpoint.acknowledgeTo(replica.peerBrokers);
    pages.noteRunning({ replica, endpoint });
    await replica.start();
    log.info(
      {
        trustDomain,
        ...endpoint.addresses,
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

interface WaitParts {
  readonly signal: AbortSignal;
  /** Called for each attempt that SPIRE did not answer. */
  readonly onWaiting: (error: CodedError) => void;
}

/** SPIRE may start after us, and a restart of it must not end us. Undefined when we are to end before it came. */
async function waitForSpire(
  config: Config,
  log: Logger,
  { signal, onWaiting }: WaitParts,
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
      onWaiting(error);
    }
    await sleep(systemClock, WAIT_FOR_SPIRE_MS, signal);
  }
  return undefined;
}
