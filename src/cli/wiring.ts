// How do settings become the parts that several commands use?
import { readFile } from 'node:fs/promises';
import { BUNDLE_DOCUMENT_LIMITS, type BundleDocumentLimits } from '../bundle/bundle-document.ts';
import type { Bundle } from '../bundle/bundle.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { FetchLimits } from '../bundle-endpoint/fetch-limits.ts';
import type { BrokerSettings } from '../broker/broker-parts.ts';
import type { Config } from '../config.ts';
import { parseBootstrapBundle } from '../federation/bootstrap.ts';
import { systemClock } from '../federation/clock.ts';
import type { CodedError } from '../federation/ports.ts';
import type { BootstrapSource, Peer } from '../federation/relationship.ts';
import type { ObjectSource } from '../kubernetes/bootstrap-object.ts';
import { PeerDirectory } from '../peer-files/peer-directory.ts';
import { readOwnTrustDomain } from '../spire/own-trust-domain.ts';
import type { SkippedItem } from '../spire/spire-context.ts';
import { openSpireServer, type SpireServerClient } from '../spire/spire-server.ts';

export function documentLimits({ maxDocumentBytes }: Config): BundleDocumentLimits {
  return { ...BUNDLE_DOCUMENT_LIMITS, maxBytes: maxDocumentBytes };
}

export function fetchLimits(config: Config): FetchLimits {
  return {
    connectTimeoutMs: config.connectTimeoutMs,
    totalTimeoutMs: config.fetchTimeoutMs,
    maxBodyBytes: config.maxDocumentBytes,
    maxRedirects: config.maxRedirects,
  };
}

export function brokerSettings(config: Config): BrokerSettings {
  return {
    refresh: {
      minSeconds: config.refreshMinSeconds,
      maxSeconds: config.refreshMaxSeconds,
      defaultSeconds: config.refreshDefaultSeconds,
      jitter: config.refreshJitter,
    },
    plan: { maxRoots: config.maxRoots },
    longPollSeconds: config.longPollSeconds,
    documentLimits: documentLimits(config),
    ownBundlePollMs: config.ownBundlePollMs,
    storedPollMs: config.storedPollSeconds * 1000,
    entryCountPollMs: config.entryCountPollSeconds * 1000,
  };
}

/** SPIRE serves another trust domain than the one that is set: nothing may be written to it. */
export class WrongTrustDomainError extends Error implements CodedError {
  override readonly name = 'WrongTrustDomainError';
  readonly code = 'WrongTrustDomain';
}

/** Opens the SPIRE Server of the settings. Rejects with `SpireUnreachable` while none listens. */
export async function connectSpire(
  config: Config,
  signal: AbortSignal,
  onSkipped?: (item: SkippedItem) => void,
): Promise<{ readonly trustDomain: TrustDomain; readonly spire: SpireServerClient }> {
  const trustDomain = await readOwnTrustDomain(config.spireSocket, signal);
  if (config.trustDomain !== undefined && config.trustDomain !== trustDomain) {
    throw new WrongTrustDomainError(
      `the SPIRE Server at ${config.spireSocket} serves ${trustDomain}, but trustDomain is set to ${config.trustDomain}`,
    );
  }
  const options = { socketPath: config.spireSocket, trustDomain, ...(onSkipped !== undefined && { onSkipped }) };
  return { trustDomain, spire: openSpireServer(options) };
}

export function peerDirectory(config: Config, ownTrustDomain: TrustDomain): PeerDirectory {
  const { peersDirectory: directory, peersPollMs: pollMs } = config;
  return new PeerDirectory({ directory, ownTrustDomain, clock: systemClock, pollMs });
}

/** The declared bundle for the first contact cannot be used. */
export class BootstrapError extends Error implements CodedError {
  override readonly name = 'BootstrapError';
  readonly code = 'BootstrapUnreadable';
}

/**
 * The bundle of a declaration's `trustDomainBundle`; undefined when it has none.
 *
 * @param readObject reads a ConfigMap's or Secret's key; a declaration in a file names none
 */
export async function readBootstrap(
  { bootstrap, trustDomain }: Peer,
  readObject?: (source: ObjectSource) => Promise<Uint8Array>,
): Promise<Bundle | undefined> {
  if (bootstrap === undefined) return undefined;
  const where = bootstrap.type === 'file' ? bootstrap.path : `spec.trustDomainBundle.${bootstrap.type}`;
  try {
    return parseBootstrapBundle(await bootstrapBytes(bootstrap, readObject), trustDomain);
  } catch (error) {
    throw new BootstrapError(`${where}: ${(error as Error).message}`, { cause: error });
  }
}

async function bootstrapBytes(
  source: BootstrapSource,
  readObject: ((source: ObjectSource) => Promise<Uint8Array>) | undefined,
): Promise<Uint8Array> {
  if (source.type === 'inline') return Buffer.from(source.text);
  if (source.type === 'file') return readFile(source.path);
  if (readObject === undefined) throw new Error('is for declarations in Kubernetes');
  return readObject(source);
}
