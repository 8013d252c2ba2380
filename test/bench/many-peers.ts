// How is a thousand trust domains federated with on one machine? Each has a root and an https_spiffe endpoint of its own.
import type { RequestListener } from 'node:http';
import { BundleListener } from '../../src/bundle-endpoint/bundle-listener.ts';
import { BundlePublication, MAX_WAIT_SECONDS } from '../../src/bundle-endpoint/serve-bundle.ts';
import { serializeBundle } from '../../src/bundle/bundle-document.ts';
import { parseTrustDomain, type TrustDomain } from '../../src/bundle/trust-domain.ts';
import { systemClock } from '../../src/federation/clock.ts';
import { makeRoot, makeSvid } from '../fakes/fake-ca.ts';
import type { Cleanup } from '../stack/harness/cleanup.ts';

/** How an endpoint answers: as a broker's, which can hold its answer, or as SPIRE's, which always gives the document. */
export type EndpointKind = 'Holding' | 'Plain';

export interface EndpointPeer {
  readonly trustDomain: TrustDomain;
  readonly url: string;
  readonly endpointSpiffeId: string;
  readonly document: string;
}

/** SPIRE's default, and ours. */
const REFRESH_HINT_SECONDS = 300;
const CLOSE_WITHIN_MS = 1_000;

/** Listens on a port a peer; `onRequest` is called for each request that comes in. */
export async function startPeers(
  cleanup: Cleanup,
  count: number,
  kind: EndpointKind,
  onRequest: () => void,
): Promise<readonly EndpointPeer[]> {
  const peers: EndpointPeer[] = [];
  for (let number = 1; number <= count; number++) {
    peers.push(await startPeer(cleanup, parseTrustDomain(`peer-${number}.example`), kind, onRequest));
  }
  return peers;
}

async function startPeer(
  cleanup: Cleanup,
  trustDomain: TrustDomain,
  kind: EndpointKind,
  onRequest: () => void,
): Promise<EndpointPeer> {
  const endpointSpiffeId = `spiffe://${trustDomain}/federation-broker`;
  const root = await makeRoot(trustDomain);
  const svid = await makeSvid(root, endpointSpiffeId);
  const document = serializeBundle(
    {
      trustDomain,
      x509Authorities: [root.der],
      jwtAuthorities: [],
      sequenceNumber: 1n,
      refreshHintSeconds: REFRESH_HINT_SECONDS,
    },
    { refreshHintSeconds: REFRESH_HINT_SECONDS },
  );
  const handle = kind === 'Holding' ? holding(document) : plain(document);
  const listener = new BundleListener((request, response) => {
    onRequest();
    handle(request, response);
  });
  listener.setIdentity({ keyPem: svid.keyPem, chainPem: svid.pem });
  const { port } = await listener.listen({ host: '127.0.0.1', port: 0 });
  cleanup.add(() => listener.close(CLOSE_WITHIN_MS));
  return { trustDomain, url: `https://127.0.0.1:${port}/`, endpointSpiffeId, document: document.toString('utf8') };
}

function holding(document: Buffer): RequestListener {
  const publication = new BundlePublication({
    path: '/',
    maxAgeSeconds: MAX_WAIT_SECONDS,
    maxWaiters: 10,
    clock: systemClock,
  });
  publication.publish(document);
  return publication.handle;
}

/** No ETag, no 304, no waiting. */
function plain(document: Buffer): RequestListener {
  return (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': document.length }).end(document);
  };
}
