// What does a scenario run on? One trust domain: an embedded SPIRE over a real socket, a Broker, and what it is told.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { serializeBundle } from '../../src/bundle/bundle-document.ts';
import type { Bundle } from '../../src/bundle/bundle.ts';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import { BUNDLE_DOCUMENT_LIMITS } from '../../src/bundle/bundle-document.ts';
import type { BrokerParts, BrokerSettings } from '../../src/broker/broker-parts.ts';
import { Broker } from '../../src/broker/broker.ts';
import type { PassReport } from '../../src/broker/pass.ts';
import type { PeerStatus } from '../../src/broker/peer-status.ts';
import { writtenStatus } from '../../src/broker/status.ts';
import { startDevSpire, type DevSpire, type DevSpireOptions } from '../../src/dev-spire/dev-spire.ts';
import type { Declarations } from '../../src/federation/facts.ts';
import type { BundleSource, CodedError, PeerSource } from '../../src/federation/ports.ts';
import type { Peer } from '../../src/federation/relationship.ts';
import { Entry as EntryService } from '../../src/spire/gen/spire/api/server/entry/v1/entry_pb.ts';
import { openChannel } from '../../src/spire/channel.ts';
import { unaryClient } from '../../src/spire/grpc-service.ts';
import { openSpireServer, type SpireServerClient } from '../../src/spire/spire-server.ts';

export const SETTINGS: BrokerSettings = {
  refresh: { minSeconds: 0.05, maxSeconds: 0.2, defaultSeconds: 0.1, jitter: 0 },
  plan: { maxRoots: 100 },
  longPollSeconds: undefined,
  documentLimits: BUNDLE_DOCUMENT_LIMITS,
  ownBundlePollMs: 20,
  storedPollMs: 40,
  entryCountPollMs: 20,
};

export interface Side {
  readonly trustDomain: TrustDomain;
  readonly dev: DevSpire;
  readonly socketPath: string;
  readonly spire: SpireServerClient;
  readonly reports: readonly PassReport[];
  declare(peers: readonly Peer[], incompleteBecause?: string): void;
  declarationsFail(error: CodedError): void;
  /** A second one takes the place of a first that was stopped. */
  startBroker(source: BundleSource, parts?: Partial<BrokerParts>): Promise<Broker>;
  peer(trustDomain: TrustDomain): PeerStatus | undefined;
  createEntry(path: string, federatesWith?: readonly TrustDomain[]): Promise<string>;
  links(id: string): Promise<readonly TrustDomain[] | undefined>;
  revision(id: string): Promise<bigint | undefined>;
  stop(): Promise<void>;
}

export async function startSide(trustDomain: TrustDomain, options: Partial<DevSpireOptions> = {}): Promise<Side> {
  const folder = mkdtempSync(join(tmpdir(), 'fb-side-'));
  const socketPath = join(folder, 'spire.sock');
  const dev = await startDevSpire({ trustDomain, socketPath, ...options });
  const spire = openSpireServer({ socketPath, trustDomain });
  const channel = openChannel(socketPath);
  const entries = unaryClient(EntryService, channel);
  const reports: PassReport[] = [];
  const brokers: Broker[] = [];
  let declared: Declarations | CodedError = { peers: [], incompleteBecause: undefined };
  const listeners = new Set<(declared: Declarations | CodedError) => void>();
  const tell = (next: Declarations | CodedError) => {
    declared = next;
    for (const listener of listeners) listener(next);
  };
  const peers: PeerSource = {
    watch: async (report, signal) => {
      listeners.add(report);
      report(declared);
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          resolve();
        });
      });
      listeners.delete(report);
    },
  };
  const entry = async (id: string) => {
    const all = await entries.listEntries({}, { deadlineMs: 2_000 });
    return all.entries.find((each) => each.id === id);
  };
  return {
    trustDomain,
    dev,
    socketPath,
    spire,
    reports,
    declare: (next, incompleteBecause) => {
      tell({ peers: next, incompleteBecause });
    },
    declarationsFail: tell,
    async startBroker(source, parts = {}) {
      const broker = new Broker({
        trustDomain,
        spire,
        source,
        peers,
        readBootstrap: () => Promise.resolve(undefined),
        settings: SETTINGS,
        observer: {
          ownBundle: () => undefined,
          fetched: () => undefined,
          passEnded: (report) => reports.push(report),
          meshLooked: () => undefined,
          rotationLooked: () => undefined,
          passFailed: (error) => {
            throw error;
          },
        },
        scheduleSweeps: () => undefined,
        ...parts,
      });
      brokers.push(broker);
      await broker.start();
      return broker;
    },
    peer: (name) => {
      const broker = brokers.at(-1);
      return broker && writtenStatus(broker.status()).peers.find((each) => each.trustDomain === name);
    },
    async createEntry(path, federatesWith = []) {
      const made = {
        spiffeId: { trustDomain, path },
        parentId: { trustDomain, path: '/node' },
        selectors: [{ type: 'unix', value: 'uid:0' }],
        federatesWith: [...federatesWith],
      };
      const { results } = await entries.batchCreateEntry({ entries: [made] }, { deadlineMs: 2_000 });
      const id = results[0]?.entry?.id;
      if (id === undefined) throw new Error(results[0]?.status?.message);
      return id;
    },
    links: async (id) => (await entry(id))?.federatesWith as TrustDomain[] | undefined,
    revision: async (id) => (await entry(id))?.revisionNumber,
    async stop() {
      await Promise.all(brokers.map((broker) => broker.stop()));
      spire.close();
      channel.close();
      await dev.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A source that answers for each endpoint what it is told to, as an honest endpoint would. */
export class ScriptedSource implements BundleSource {
  readonly #answers = new Map<string, () => Promise<Uint8Array>>();
  readonly asked: string[] = [];

  publish(endpointUrl: string, bundle: Bundle): void {
    this.#answers.set(endpointUrl, () => Promise.resolve(serializeBundle(bundle, { refreshHintSeconds: 60 })));
  }

  answer(endpointUrl: string, bytes: () => Promise<Uint8Array>): void {
    this.#answers.set(endpointUrl, bytes);
  }

  async fetch({ url }: { readonly url: string }, signal?: AbortSignal) {
    this.asked.push(url);
    const answer = this.#answers.get(url);
    if (answer === undefined) throw Object.assign(new Error(`nobody at ${url}`), { code: 'ConnectFailed' });
    return {
      kind: 'Document',
      waitApplied: false,
      etag: undefined,
      body: await unlessAborted(answer(), signal),
    } as const;
  }
}

function unlessAborted<T>(answer: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  const aborted = new Promise<never>((_resolve, reject) => {
    signal?.addEventListener('abort', () => {
      reject(new Error('aborted'));
    });
  });
  return Promise.race([answer, aborted]);
}

/** The first value that is neither undefined nor false; a safety net ends it after five seconds. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  for (let turn = 0; turn < 500; turn++) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    await pause(10);
  }
  throw new Error(`never: ${what}`);
}

/** `True Ready` or what stands in its way. */
export function readiness(peer: PeerStatus | undefined): string {
  const ready = peer?.conditions.find(({ type }) => type === 'Ready');
  return `${ready?.status ?? 'none'} ${ready?.reason ?? ''}`;
}
