// What does a test of hostile endpoints run on? East with a broker on an embedded SPIRE, and an endpoint over real TLS that
// is honest west at first and then serves what it is told.
import { serializeBundle } from '../../src/bundle/bundle-document.ts';
import { fingerprint, type Bundle } from '../../src/bundle/bundle.ts';
import { createBundleSource } from '../../src/bundle-endpoint/fetch-bundle.ts';
import { systemClock } from '../../src/federation/clock.ts';
import { parseSpiffeId } from '../../src/bundle/spiffe-id.ts';
import type { BrokerParts } from '../../src/broker/broker-parts.ts';
import type { PeerStatus } from '../../src/broker/peer-status.ts';
import type { Peer, PeerPolicy } from '../../src/federation/relationship.ts';
import { makeRoot, makeSvid, type Issued } from '../fakes/fake-ca.ts';
import { startEndpoint, type FakeEndpoint } from '../fakes/hostile-endpoint.ts';
import { EAST, peerOf, POLICY, selecting, WEST } from '../federation/samples.ts';
import { readiness, startSide, until, type Side } from './side.ts';

export const WEST_ID = parseSpiffeId(`spiffe://${WEST}/federation-broker`);
export const FETCH_LIMITS = { connectTimeoutMs: 2_000, totalTimeoutMs: 4_000, maxBodyBytes: 100_000, maxRedirects: 3 };

/** Roots of west: the first is what SPIRE holds, and signs the endpoint's SVID. */
export interface WestRoots {
  readonly good: Issued;
  readonly next: Issued;
  readonly third: Issued;
  readonly leaf: Issued;
}

export async function makeWestRoots(): Promise<WestRoots> {
  const [good, next, third] = await Promise.all([makeRoot(WEST), makeRoot(WEST), makeRoot(WEST)]);
  return { good, next, third, leaf: await makeSvid(good, WEST_ID) };
}

export function westBundle(roots: readonly Issued[], sequenceNumber: bigint | undefined): Bundle {
  const x509Authorities = roots.map(({ der }) => der);
  return { trustDomain: WEST, x509Authorities, jwtAuthorities: [], sequenceNumber, refreshHintSeconds: 60 };
}

export function documentOf(bundle: Bundle): Buffer {
  return serializeBundle(bundle, { refreshHintSeconds: 60 });
}

export interface HostileScene {
  readonly side: Side;
  readonly endpoint: FakeEndpoint;
  /** The ID of an entry of ours that is federated with west. */
  readonly entry: string;
  /** What SPIRE holds at first: sequence 7, with the first root alone. */
  readonly first: Bundle;
  serve(bytes: Buffer): void;
  /** Over what is declared by now. */
  declare(changes: Partial<Peer>): void;
  west(): PeerStatus | undefined;
  rootsInSpire(): Promise<readonly string[]>;
  stop(): Promise<void>;
}

export interface SceneOptions {
  readonly policy?: Partial<PeerPolicy>;
  readonly parts?: Partial<BrokerParts>;
  /** What the endpoint serves from the beginning; then nobody waits until west is ready. */
  readonly serves?: Buffer;
  /** Declared beside west. */
  readonly besides?: readonly Peer[];
}

export async function startHostileScene(
  { good, leaf }: WestRoots,
  { policy = {}, parts = {}, serves, besides = [] }: SceneOptions = {},
): Promise<HostileScene> {
  const first = westBundle([good], 7n);
  let body = serves ?? documentOf(first);
  const endpoint = await startEndpoint(leaf, (_request, response) => response.writeHead(200).end(body));
  const side = await startSide(EAST);
  const entry = await side.createEntry('/api');
  let peer: Peer = peerOf(WEST, {
    bundleEndpointUrl: endpoint.url,
    entrySelectors: selecting('/**'),
    policy: { ...POLICY, ...policy },
  });
  side.declare([peer, ...besides]);
  await side.startBroker(createBundleSource({ limits: FETCH_LIMITS, clock: systemClock }), {
    readBootstrap: () => Promise.resolve(first),
    ...parts,
  });
  if (serves === undefined) await until('west is ready', () => readiness(side.peer(WEST)) === 'True Ready');
  return {
    ...{ side, endpoint, entry, first },
    serve: (bytes) => {
      body = bytes;
    },
    declare: (changes) => {
      peer = { ...peer, ...changes };
      side.declare([peer, ...besides]);
    },
    west: () => side.peer(WEST),
    rootsInSpire: async () => (await side.spire.getFederatedBundle(WEST))?.x509Authorities.map(fingerprint) ?? [],
    stop: async () => {
      await side.stop();
      await endpoint.close();
    },
  };
}
