// What does a broker cost that has a thousand peers and nothing to do? Writes to SPIRE, processor, memory.
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { startDevSpire } from '../../src/dev-spire/dev-spire.ts';
import { openChannel } from '../../src/spire/channel.ts';
import { Entry as EntryService } from '../../src/spire/gen/spire/api/server/entry/v1/entry_pb.ts';
import { unaryClient } from '../../src/spire/grpc-service.ts';
import { openSpireServer } from '../../src/spire/spire-server.ts';
import { isReady, startBroker, type Broker } from '../stack/harness/broker.ts';
import { Cleanup } from '../stack/harness/cleanup.ts';
import { eventually } from '../stack/harness/eventually.ts';
import { tempFolder } from '../stack/harness/temp-folder.ts';
import { startPeers, type EndpointKind, type EndpointPeer } from './many-peers.ts';
import { peakRssMiB, usageDuring, type Usage } from './process-usage.ts';
import { rounded } from './summary.ts';

const PEERS = 1_000;
/** The refresh hint, and longer than the default wait: every peer is asked about once. */
const WINDOW_SECONDS = 300;
/** A common setting of Prometheus; its default is a minute. */
const SCRAPE_EVERY_MS = 15_000;
const CONVERGE_WITHIN_MS = 10 * 60_000;
/** After the last change: passes that were asked for end, and V8 gives back what the start took once it is idle. */
const SETTLE_MS = 90_000;
/** The default; brokers in tests look at their directory far more often. */
const PEERS_POLL_MS = 10_000;
const ENTRIES_A_CALL = 50;
const OWN = parseTrustDomain('east.example');

export interface SteadyStateReport extends Usage {
  readonly peers: number;
  /** Each federates with one peer. */
  readonly entries: number;
  readonly endpoints: EndpointKind;
  /** From the start of the broker until all is stored and linked. */
  readonly convergedInSeconds: number;
  /** The most that it took until the window began. */
  readonly peakRssMiBOfStart: number;
  /** Within the window: requests at the peers' endpoints, calls to SPIRE, and those of them that write. */
  readonly fetches: number;
  readonly calls: number;
  readonly writes: number;
  readonly scrapes: number;
}

/** The broker is a program of its own; SPIRE (embedded, which counts its calls) and the endpoints are in this one. */
export async function measureSteadyState(kind: EndpointKind): Promise<SteadyStateReport> {
  await using cleanup = new Cleanup();
  let fetches = 0;
  const peers = await startPeers(cleanup, PEERS, kind, () => (fetches += 1));
  const folder = tempFolder(cleanup, 'bench-steady');
  const socketPath = join(folder, 'spire.sock');
  const spire = await startDevSpire({ trustDomain: OWN, socketPath });
  cleanup.add(() => spire.stop());
  await createEntries(socketPath, peers);

  const startMs = performance.now();
  const flags = { 'log-level': 'warn', 'peers-poll-ms': PEERS_POLL_MS };
  const broker = await startBroker(cleanup, { trustDomain: OWN, socketPath, folder }, flags);
  for (const peer of peers) declare(broker, peer);
  await converged(cleanup, socketPath);
  const convergedInSeconds = rounded((performance.now() - startMs) / 1000, 1);
  await pause(SETTLE_MS);
  const peakRssMiBOfStart = rounded(peakRssMiB(broker.pid()), 1);

  const scraping = new AbortController();
  const scrapes = scrape(broker, scraping.signal);
  spire.record.forget();
  fetches = 0;
  const usage = await usageDuring(broker.pid(), WINDOW_SECONDS);
  const window = { fetches, calls: spire.record.calls().length, writes: spire.record.writes().length };
  scraping.abort();
  await allReady(broker);
  return {
    peers: PEERS,
    entries: PEERS,
    endpoints: kind,
    convergedInSeconds,
    peakRssMiBOfStart,
    ...window,
    scrapes: await scrapes,
    ...usage,
  };
}

async function createEntries(socketPath: string, peers: readonly EndpointPeer[]): Promise<void> {
  const channel = openChannel(socketPath);
  const client = unaryClient(EntryService, channel);
  for (let start = 0; start < peers.length; start += ENTRIES_A_CALL) {
    const entries = peers.slice(start, start + ENTRIES_A_CALL).map(({ trustDomain }) => ({
      spiffeId: { trustDomain: OWN, path: workloadPath(trustDomain) },
      parentId: { trustDomain: OWN, path: '/node' },
      selectors: [{ type: 'unix', value: 'uid:0' }],
    }));
    await client.batchCreateEntry({ entries }, { deadlineMs: 10_000 });
  }
  channel.close();
}

function declare(broker: Broker, { trustDomain, url, endpointSpiffeId, document }: EndpointPeer): void {
  broker.declare(trustDomain, {
    trustDomain,
    bundleEndpointURL: url,
    bundleEndpointProfile: { type: 'https_spiffe', endpointSPIFFEID: endpointSpiffeId },
    trustDomainBundle: { inline: document },
    federatesWith: { entries: [{ spiffeID: `spiffe://${OWN}${workloadPath(trustDomain)}` }] },
  });
}

function workloadPath(peer: string): string {
  return `/meets/${peer}`;
}

async function converged(cleanup: Cleanup, socketPath: string): Promise<void> {
  const api = openSpireServer({ socketPath, trustDomain: OWN });
  cleanup.add(() => {
    api.close();
  });
  await eventually(
    'every bundle is stored and every entry linked',
    async () => {
      const [bundles, entries] = await Promise.all([api.listFederatedBundles(), api.listEntries()]);
      const linked = entries.filter(({ federatesWith }) => federatesWith.length === 1).length;
      if (bundles.length === PEERS && linked === PEERS) return true;
      throw new Error(`${bundles.length} bundles, ${linked} links`);
    },
    { timeoutMs: CONVERGE_WITHIN_MS, intervalMs: 1_000 },
  );
}

/** As its operator's Prometheus does; resolves to how often. */
async function scrape(broker: Broker, signal: AbortSignal): Promise<number> {
  let scrapes = 0;
  while (!signal.aborted) {
    await broker.metric('fedbroker_peers_declared');
    scrapes++;
    await pause(SCRAPE_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
  return scrapes;
}

async function allReady(broker: Broker): Promise<void> {
  const { peers } = await broker.status();
  const waiting = peers.filter((peer) => !isReady(peer));
  if (peers.length === PEERS && waiting.length === 0) return;
  throw new Error(`${peers.length} peers, of which ${waiting.length} are not ready`);
}
