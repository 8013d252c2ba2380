// How do two SPIRE Servers federate without a broker? With their own endpoints and pollers: what the broker is measured by.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cleanup } from './cleanup.ts';
import { runProgram, type ProgramResult } from './run-program.ts';
import { programPath } from '../parts.ts';
import { startSpireServer, type SpireServer } from './spire-server.ts';

/** `consumer` polls `publisher` by a relationship; the first bundle is copied by hand, as SPIRE needs it. */
export async function startSpirePair(
  cleanup: Cleanup,
  [publisherName, consumerName]: readonly [string, string],
  refreshHint = '60s',
): Promise<readonly [SpireServer, SpireServer]> {
  const options = { caTtl: '24h', bundleEndpoint: { refreshHint } };
  const [publisher, consumer] = await Promise.all([
    startSpireServer(cleanup, publisherName, options),
    startSpireServer(cleanup, consumerName, options),
  ]);
  const path = join(consumer.folder, 'publisher.json');
  writeFileSync(path, await publisher.bundleDocument());
  await consumer.cli([
    'federation',
    'create',
    ...['-trustDomain', publisherName],
    ...['-bundleEndpointURL', publisher.bundleEndpointUrl ?? ''],
    ...['-bundleEndpointProfile', 'https_spiffe'],
    ...['-endpointSpiffeID', `spiffe://${publisherName}/spire/server`],
    ...['-trustDomainBundlePath', path],
    ...['-trustDomainBundleFormat', 'spiffe'],
  ]);
  return [publisher, consumer];
}

/** `spire-server federation refresh`: the consumer's own poller fetches now. */
export function refreshFederation(consumer: SpireServer, trustDomain: string): Promise<ProgramResult> {
  const args = ['federation', 'refresh', '-id', `spiffe://${trustDomain}`, '-socketPath', consumer.socketPath];
  return runProgram(programPath('spire', 'spire-server'), args);
}
