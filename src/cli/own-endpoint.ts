// How is our own bundle served? One publication, a listener for each profile that is switched on.
import { serializeBundle } from '../bundle/bundle-document.ts';
import type { Bundle } from '../bundle/bundle.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { Acknowledgements } from '../bundle-endpoint/acknowledgements.ts';
import { BundleListener, type ListenAddress, type TlsIdentity } from '../bundle-endpoint/bundle-listener.ts';
import { BundlePublication } from '../bundle-endpoint/serve-bundle.ts';
import { ServedBundles } from '../bundle-endpoint/served-bundles.ts';
import { ServingSvid, type ServingSvidStatus } from '../bundle-endpoint/serving-svid.ts';
import type { ClientRefusal } from '../bundle-endpoint/verify-client.ts';
import { followWebIdentity } from '../bundle-endpoint/web-identity.ts';
import type { Config } from '../config.ts';
import { systemClock } from '../federation/clock.ts';
import { isRootMissed } from '../federation/acknowledgement.ts';
import type { PeerBrokers, PeerHoldings } from '../federation/peer-broker.ts';
import type { SpireServer } from '../federation/ports.ts';

export interface OwnEndpointParts {
  readonly config: Config;
  readonly trustDomain: TrustDomain;
  readonly spire: Pick<SpireServer, 'mintX509Svid'>;
  readonly onIdentityFailure: (profile: 'https_spiffe' | 'https_web', error: unknown) => void;
  readonly onClientRefused: (reason: ClientRefusal) => void;
  /** A client certificate could not be judged. */
  readonly onClientFault: (error: unknown) => void;
}

export interface OwnEndpoint {
  /** Where each profile is served; port 0 of the settings is a free one here. */
  readonly addresses: { readonly https_spiffe?: ListenAddress; readonly https_web?: ListenAddress };
  readonly publication: Pick<BundlePublication, 'waiting' | 'etag' | 'publish'>;
  /** Undefined until SPIRE minted the first SVID. */
  readonly servingSvid: () => ServingSvidStatus | undefined;
  /** Undefined without https_web; false until its files held a certificate that can be presented. */
  readonly hasWebIdentity: () => boolean | undefined;
  /** What we prove ourselves with to the endpoints of peers; undefined while there is nothing that can. */
  readonly clientIdentity: () => Promise<TlsIdentity | undefined>;
  /** From now on peers are known by the certificates of their brokers. */
  readonly acknowledgeTo: (brokers: PeerBrokers & PeerHoldings) => void;
  readonly publish: (bundle: Bundle) => void;
  readonly close: () => Promise<void>;
}

const CLOSE_DEADLINE_MS = 2_000;
/** Peers of this program ask with a condition each time; nobody else should be told an old bundle for long. */
const MAX_AGE_SECONDS = 5;

export async function openOwnEndpoint(parts: OwnEndpointParts): Promise<OwnEndpoint> {
  const { config, trustDomain, spire, onIdentityFailure, onClientRefused, onClientFault } = parts;
  const stop = new AbortController();
  const served = new ServedBundles();
  const acknowledgements = new Acknowledgements({
    clock: systemClock,
    named: (ifNoneMatch) => served.named(ifNoneMatch),
    onRefused: onClientRefused,
    onFault: onClientFault,
  });
  const publication = new BundlePublication({
    path: config.servePath,
    maxAgeSeconds: Math.min(MAX_AGE_SECONDS, config.refreshHintSeconds),
    maxWaiters: config.maxWaiters,
    clock: systemClock,
    onRequest: acknowledgements.note,
  });
  const listeners: BundleListener[] = [];
  const loops: Promise<void>[] = [];
  const listen = async (address: ListenAddress) => {
    const listener = new BundleListener(publication.handle);
    listeners.push(listener);
    return { listener, address: await listener.listen(address) };
  };
  const close = async () => {
    stop.abort();
    publication.close();
    await Promise.all([...loops, ...listeners.map((listener) => listener.close(CLOSE_DEADLINE_MS))]);
  };

  let spiffeListener: BundleListener | undefined;
  let holdings: PeerHoldings | undefined;
  const svid = new ServingSvid({
    ...{ spire, trustDomain, clock: systemClock },
    ttlSeconds: config.svidTtlSeconds,
    refreshHintSeconds: config.refreshHintSeconds,
    isRootMissed: (root) => isRootMissed(root, holdings?.acknowledged() ?? []),
    use: (identity) => spiffeListener?.setIdentity(identity),
    onFailure: (error) => {
      onIdentityFailure('https_spiffe', error);
    },
  });
  let hasWebIdentity: boolean | undefined;
  const addresses: { https_spiffe?: ListenAddress; https_web?: ListenAddress } = {};
  try {
    if (config.serveSpiffeAddress !== undefined) {
      const { listener, address } = await listen(config.serveSpiffeAddress);
      addresses.https_spiffe = address;
      spiffeListener = listener;
    }
    loops.push(svid.run(stop.signal), acknowledgements.run(stop.signal));
    const { serveWebAddress, serveWebCertFile: certPath, serveWebKeyFile: keyPath } = config;
    if (serveWebAddress !== undefined && certPath !== undefined && keyPath !== undefined) {
      const { listener, address } = await listen(serveWebAddress);
      addresses.https_web = address;
      hasWebIdentity = false;
      const use = (identity: Parameters<BundleListener['setIdentity']>[0]) => {
        listener.setIdentity(identity);
        hasWebIdentity = true;
      };
      const onFailure = (error: unknown) => {
        onIdentityFailure('https_web', error);
      };
      loops.push(followWebIdentity({ certPath, keyPath, clock: systemClock, use, onFailure }, stop.signal));
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    addresses,
    publication,
    servingSvid: () => svid.status(),
    hasWebIdentity: () => hasWebIdentity,
    clientIdentity: () => svid.identity(),
    acknowledgeTo: (brokers) => {
      holdings = brokers;
      acknowledgements.tell(brokers);
    },
    publish: (bundle) => {
      publication.publish(serializeBundle(bundle, { refreshHintSeconds: config.refreshHintSeconds }));
      const { etag } = publication;
      if (etag !== undefined) served.note(bundle, etag, systemClock.now());
      svid.ownBundle(bundle);
    },
    close,
  };
}
