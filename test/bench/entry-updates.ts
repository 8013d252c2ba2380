// What does it cost to let a tenth of ten thousand workloads meet a new peer? (SPIRE: every update re-issues an SVID)
import { parseTrustDomain } from '../../src/bundle/trust-domain.ts';
import { openChannel } from '../../src/spire/channel.ts';
import { Entry as EntryService } from '../../src/spire/gen/spire/api/server/entry/v1/entry_pb.ts';
import { unaryClient } from '../../src/spire/grpc-service.ts';
import { startBroker, type Broker } from '../stack/harness/broker.ts';
import { Cleanup } from '../stack/harness/cleanup.ts';
import { eventually } from '../stack/harness/eventually.ts';
import { startSpireServer, type SpireServer } from '../stack/harness/spire-server.ts';
import { openApi } from '../stack/harness/stored-roots.ts';
import { startPeers, type EndpointPeer } from './many-peers.ts';
import { rounded } from './summary.ts';

const PEERS = 1_000;
const ENTRIES = 10_000;
/** One group in ten is what the new peer may meet. */
const GROUPS = 10;
const LOOPED = 50;
const PAGE = 50;
const DEADLINE_MS = 60_000;
const WITHIN_MS = 10 * 60_000;
const SECOND_RUN_MS = 20_000;
const OWN = parseTrustDomain('east.test');

export interface EntryUpdatesReport {
  readonly peers: number;
  readonly entries: number;
  readonly chosen: number;
  /** Entries that name the new peer afterwards. */
  readonly updated: number;
  /** Entries beyond those that have another revision than before. */
  readonly updatedBeyond: number;
  /** From the declaration until SPIRE answers with all of them; the fetch of the peer's bundle is in it. */
  readonly seconds: number;
  readonly entriesPerSecond: number;
  /** The same broker killed and started again: entries that have another revision after it has looked. */
  readonly updatedBySecondRun: number;
  /** `spire-server entry update`, one after the other. */
  readonly cli: { readonly updates: number; readonly seconds: number; readonly entriesPerSecond: number };
}

type Revisions = ReadonlyMap<string, bigint>;

export async function measureEntryUpdates(): Promise<EntryUpdatesReport> {
  await using cleanup = new Cleanup();
  const peers = await startPeers(cleanup, PEERS + 1, 'Plain', () => undefined);
  const [latecomer, ...others] = peers.toReversed();
  if (latecomer === undefined) throw new Error('there is no peer');
  const server = await startSpireServer(cleanup, OWN);
  await createEntries(server);
  const broker = await startBroker(cleanup, server, { 'log-level': 'warn' });
  for (const peer of others) declare(broker, peer);
  const api = openApi(cleanup, server);
  await eventually('the thousand are stored', async () => (await api.listFederatedBundles()).length === PEERS, {
    timeoutMs: WITHIN_MS,
    intervalMs: 1_000,
  });

  const before = await revisions(server);
  const startMs = performance.now();
  declare(broker, latecomer, { entries: [{ spiffeID: `spiffe://${OWN}/group-0/**` }] });
  const linked = async () =>
    (await api.listEntries()).filter(({ federatesWith }) => federatesWith.includes(latecomer.trustDomain)).length;
  const chosen = ENTRIES / GROUPS;
  await eventually('the chosen entries name the new peer', async () => (await linked()) === chosen, {
    timeoutMs: WITHIN_MS,
    intervalMs: 500,
  });
  const seconds = (performance.now() - startMs) / 1000;
  const after = await revisions(server);
  const updated = await linked();

  await broker.kill();
  await broker.restart();
  await broker.waitForPeer(latecomer.trustDomain, undefined, WITHIN_MS);
  await new Promise((resolve) => setTimeout(resolve, SECOND_RUN_MS));
  const again = await revisions(server);
  await broker.end();
  return {
    peers: PEERS,
    entries: ENTRIES,
    chosen,
    updated,
    updatedBeyond: changed(before, after) - updated,
    seconds: rounded(seconds, 1),
    entriesPerSecond: rounded(chosen / seconds, 1),
    updatedBySecondRun: changed(after, again),
    cli: await loopOfCommands(server, latecomer),
  };
}

function changed(before: Revisions, after: Revisions): number {
  return [...after].filter(([id, revision]) => before.get(id) !== revision).length;
}

function declare(broker: Broker, peer: EndpointPeer, federatesWith?: Readonly<Record<string, unknown>>): void {
  broker.declare(peer.trustDomain, {
    trustDomain: peer.trustDomain,
    bundleEndpointURL: peer.url,
    bundleEndpointProfile: { type: 'https_spiffe', endpointSPIFFEID: peer.endpointSpiffeId },
    trustDomainBundle: { inline: peer.document },
    ...(federatesWith !== undefined && { federatesWith }),
  });
}

async function createEntries({ socketPath }: SpireServer): Promise<void> {
  const channel = openChannel(socketPath);
  const client = unaryClient(EntryService, channel);
  for (let start = 0; start < ENTRIES; start += PAGE) {
    const entries = Array.from({ length: PAGE }, (_, offset) => ({
      id: entryId(start + offset),
      spiffeId: { trustDomain: OWN, path: workloadPath(start + offset) },
      parentId: { trustDomain: OWN, path: '/node' },
      selectors: [{ type: 'unix', value: `uid:${start + offset}` }],
    }));
    const { results } = await client.batchCreateEntry({ entries }, { deadlineMs: DEADLINE_MS });
    const refused = results.find(({ status }) => status?.code !== 0);
    if (refused !== undefined) throw new Error(refused.status?.message);
  }
  channel.close();
}

function entryId(number: number): string {
  return `bench.${number}`;
}

function workloadPath(number: number): string {
  return `/group-${number % GROUPS}/workload-${number}`;
}

/** Of the workloads' entries. */
async function revisions({ socketPath }: SpireServer): Promise<Revisions> {
  const channel = openChannel(socketPath);
  const client = unaryClient(EntryService, channel);
  const found = new Map<string, bigint>();
  let pageToken = '';
  do {
    const request = { outputMask: { revisionNumber: true }, pageSize: 500, pageToken };
    const page = await client.listEntries(request, { deadlineMs: DEADLINE_MS });
    for (const { id, revisionNumber } of page.entries) if (id.startsWith('bench.')) found.set(id, revisionNumber);
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  channel.close();
  return found;
}

/** Each of them names all that an entry has: the command knows no other way. */
async function loopOfCommands(server: SpireServer, peer: EndpointPeer): Promise<EntryUpdatesReport['cli']> {
  const startMs = performance.now();
  for (let number = 1; number <= LOOPED; number++) {
    await server.cli([
      ...['entry', 'update', '-entryID', entryId(number)],
      ...['-spiffeID', `spiffe://${OWN}${workloadPath(number)}`, '-parentID', `spiffe://${OWN}/node`],
      ...['-selector', `unix:uid:${number}`, '-federatesWith', `spiffe://${peer.trustDomain}`],
    ]);
  }
  const seconds = (performance.now() - startMs) / 1000;
  return { updates: LOOPED, seconds: rounded(seconds, 1), entriesPerSecond: rounded(LOOPED / seconds, 1) };
}
