// What runs in one trust domain of the demo? A SPIRE Server, a broker beside it, and a workload.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { serializeBundle } from '../../bundle/bundle-document.ts';
import { parseSpiffeId, type SpiffeId } from '../../bundle/spiffe-id.ts';
import type { TrustDomain } from '../../bundle/trust-domain.ts';
import { resolveConfig } from '../../config.ts';
import { PEER_API } from '../../federation/peer-api.ts';
import type { Logger } from '../../log.ts';
import { openSpireServer, type SpireServerClient } from '../../spire/spire-server.ts';
import { startBroker, type RunningBroker } from '../start-broker.ts';
import type { DeclarationPlace, DeclarationPlaces } from './declaration-place.ts';
import { registerWorkload } from './register-workload.ts';
import type { RunningSpire, SpireStarter } from './spire-starter.ts';
import type { Teardown } from './teardown.ts';
import { Workload } from './workload.ts';

export interface Side {
  readonly trustDomain: TrustDomain;
  /** Its own connection to SPIRE's API, beside that of the broker. */
  readonly spire: SpireServerClient;
  readonly broker: RunningBroker;
  readonly workload: Workload;
  /** Where its peers are declared. */
  readonly place: DeclarationPlace;
  /** Of its own, for files. */
  readonly folder: string;
  readonly stealAuthority: RunningSpire['stealAuthority'];
}

export interface SideParts {
  readonly trustDomain: TrustDomain;
  readonly peer: TrustDomain;
  readonly starter: SpireStarter;
  readonly places: DeclarationPlaces;
  /** Below which this side has a folder of its own. */
  readonly folder: string;
  readonly log: Logger;
  readonly followEveryMs: number;
}

/** Resolves when SPIRE serves and the broker runs, with no peer yet. `teardown` ends whatever was started. */
export async function startSide(parts: SideParts, teardown: Teardown, signal: AbortSignal): Promise<Side> {
  const { trustDomain, starter, places, log } = parts;
  const folder = join(parts.folder, trustDomain);
  await mkdir(folder);
  const { socketPath, stealAuthority, stop } = await starter.start(trustDomain, folder);
  teardown.add(stop);
  const spire = openSpireServer({ socketPath, trustDomain });
  teardown.add(() => {
    spire.close();
  });
  const place = await places.open(trustDomain, folder, signal);
  teardown.add(place.close);

  const broker = await startBroker(brokerConfig(socketPath, place), log, signal);
  if (broker === undefined) throw new Error('the demo was asked to end before SPIRE was reached');
  teardown.add(() => broker.stop());

  const id = workloadId(trustDomain);
  const entryId = await registerWorkload(socketPath, trustDomain, id);
  const workload = new Workload({
    spire,
    entry: { entryId, id },
    peer: { trustDomain: parts.peer, id: workloadId(parts.peer) },
    followEveryMs: parts.followEveryMs,
  });
  await workload.listen();
  teardown.add(() => workload.close());
  return { trustDomain, spire, broker, workload, place, folder, stealAuthority };
}

/** As the operators of both trust domains do it once: where the peer is, who it is, and its bundle for first contact. */
export async function declarePeer({ place, trustDomain }: Side, peer: Side): Promise<void> {
  const address = peer.broker.endpoint.addresses.https_spiffe;
  if (address === undefined) throw new Error(`the broker of ${peer.trustDomain} serves no bundle`);
  const bootstrap = serializeBundle(await peer.spire.readOwnBundle(), { refreshHintSeconds: 300 });
  const { group, version, kind } = PEER_API;
  await place.declare({
    apiVersion: `${group}/${version}`,
    kind,
    metadata: { name: nameOf(peer.trustDomain) },
    spec: {
      trustDomain: peer.trustDomain,
      bundleEndpointURL: `https://${address.host}:${address.port}/`,
      bundleEndpointProfile: {
        type: 'https_spiffe',
        endpointSPIFFEID: `spiffe://${peer.trustDomain}/federation-broker`,
      },
      trustDomainBundle: { inline: bootstrap.toString('utf8') },
      federatesWith: { entries: [{ spiffeID: workloadId(trustDomain) }] },
      ...(place.mesh !== undefined && { istio: { anchors: 'Constrained' } }),
    },
  });
}

/** `east.example` → `east`. */
export function nameOf(trustDomain: TrustDomain): string {
  return trustDomain.split('.')[0] ?? trustDomain;
}

function workloadId(trustDomain: TrustDomain): SpiffeId {
  return parseSpiffeId(`spiffe://${trustDomain}/workload`);
}

/** The defaults, but for addresses and for where peers are declared. */
function brokerConfig(socketPath: string, { brokerFlags }: DeclarationPlace) {
  const flags = {
    'spire-socket': socketPath,
    ...brokerFlags,
    'serve-spiffe-address': '127.0.0.1:0',
    'admin-address': 'off',
  };
  return resolveConfig({
    argv: Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`),
    environment: {},
    readFile: (path) => {
      throw new Error(`the demo has no settings file ${path}`);
    },
  }).config;
}
