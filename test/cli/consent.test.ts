// Do two brokers that both require consent come together, and only when each is declared by the other? Over real TLS.
import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { serializeBundle } from '../../src/bundle/bundle-document.ts';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import type { PeerStatus } from '../../src/broker/peer-status.ts';
import { writtenStatus } from '../../src/broker/status.ts';
import { startBroker } from '../../src/cli/start-broker.ts';
import { resolveConfig } from '../../src/config.ts';
import { startDevSpire } from '../../src/dev-spire/dev-spire.ts';
import { createLogger } from '../../src/log.ts';
import { openSpireServer } from '../../src/spire/spire-server.ts';
import { peerDocument } from '../federation/peer-document.ts';
import { readiness, until } from '../broker/side.ts';
import { EAST, WEST } from '../rotation/samples.ts';

const FETCH_EVERY_SECONDS = 1;
/** Far longer than the test: nothing here may wait for the end of a held request. */
const LONG_POLL_SECONDS = 600;

interface ConsentSide {
  readonly trustDomain: TrustDomain;
  readonly url: string;
  readonly document: string;
  declare(peer: ConsentSide): void;
  peer(): PeerStatus | undefined;
  /** How many authorities of the other SPIRE holds. */
  held(other: TrustDomain): Promise<number>;
  writes(): readonly string[];
}

describe('two brokers that both require consent', () => {
  const ends: (() => Promise<void> | void)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function start(trustDomain: TrustDomain): Promise<ConsentSide> {
    const folder = mkdtempSync(join(tmpdir(), 'fb-consent-'));
    ends.push(() => {
      rmSync(folder, { recursive: true });
    });
    const socketPath = join(folder, 'spire.sock');
    const dev = await startDevSpire({ trustDomain, socketPath });
    ends.push(() => dev.stop());
    const settings = {
      'spire-socket': socketPath,
      'peers-directory': folder,
      'serve-spiffe-address': '127.0.0.1:0',
      'admin-address': 'off',
      'refresh-min-seconds': FETCH_EVERY_SECONDS,
      'refresh-default-seconds': FETCH_EVERY_SECONDS,
      'refresh-jitter': 0,
      'long-poll-seconds': LONG_POLL_SECONDS,
      'fetch-timeout-ms': 5_000,
      'stored-poll-seconds': 1,
    };
    const argv = Object.entries(settings).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
    const { config } = resolveConfig({ argv, environment: {}, readFile: () => '' });
    const log = createLogger({ level: 'info', format: 'json', write: () => undefined });
    const broker = await startBroker(config, log, new AbortController().signal);
    assert.ok(broker);
    ends.push(() => broker.stop());
    const spire = openSpireServer({ socketPath, trustDomain });
    ends.push(() => {
      spire.close();
    });
    dev.record.forget();
    return {
      trustDomain,
      url: `https://127.0.0.1:${broker.endpoint.addresses.https_spiffe!.port}/`,
      document: String(serializeBundle(await spire.readOwnBundle(), { refreshHintSeconds: FETCH_EVERY_SECONDS })),
      declare: (peer) => {
        const spec = {
          trustDomain: peer.trustDomain,
          bundleEndpointURL: peer.url,
          bundleEndpointProfile: {
            type: 'https_spiffe',
            endpointSPIFFEID: `spiffe://${peer.trustDomain}/federation-broker`,
          },
          trustDomainBundle: { inline: peer.document },
          policy: { requireConsent: true },
        };
        writeFileSync(join(folder, 'peer.tmp'), JSON.stringify(peerDocument('peer', spec)));
        renameSync(join(folder, 'peer.tmp'), join(folder, 'peer.yaml'));
      },
      peer: () => writtenStatus(broker.status()).peers[0],
      held: async (other) => (await spire.getFederatedBundle(other))?.x509Authorities.length ?? 0,
      writes: () => dev.record.writes().map(({ rpc }) => rpc),
    };
  }
  const bundleStored = (side: ConsentSide) => side.peer()?.conditions.find(({ type }) => type === 'BundleStored');
  const isReady = (side: ConsentSide) => readiness(side.peer()) === 'True Ready';

  it('take up nothing while only one has declared the other, and both as soon as both have', async () => {
    const [east, west] = [await start(EAST), await start(WEST)];
    east.declare(west);
    await until('east says what it waits for', () => bundleStored(east)?.reason === 'WaitingForPeer');
    await pause(2 * FETCH_EVERY_SECONDS * 1000);
    assert.equal(readiness(east.peer()), 'False WaitingForPeer');
    assert.equal(await east.held(WEST), 0);
    assert.deepEqual([...east.writes(), ...west.writes()], []);
    assert.equal(west.peer(), undefined);

    west.declare(east);
    await until('both are ready', () => isReady(east) && isReady(west));
    assert.deepEqual([await east.held(WEST), await west.held(EAST)], [1, 1]);
  });

  it('come together when both declare in the same moment', async () => {
    const [east, west] = [await start(EAST), await start(WEST)];
    east.declare(west);
    west.declare(east);
    await until('both are ready', () => isReady(east) && isReady(west));
  });
});
