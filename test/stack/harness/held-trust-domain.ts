// Who signs what no honest trust domain would? One whose authority is in the test's hands, with an endpoint like a broker's.
import { serializeBundle } from '../../../src/bundle/bundle-document.ts';
import type { TrustDomain } from '../../../src/bundle/trust-domain.ts';
import { type CertificateOptions, makeRoot, makeSvid } from '../../fakes/fake-ca.ts';
import { startEndpoint } from '../../fakes/hostile-endpoint.ts';
import type { Cleanup } from './cleanup.ts';
import type { ClientCertificate } from './envoy-config.ts';

const REFRESH_HINT_SECONDS = 300;

export interface HeldTrustDomain {
  readonly trustDomain: TrustDomain;
  /** How a broker is told of it. */
  readonly declaration: Readonly<Record<string, unknown>>;
  /** A leaf with this SPIFFE ID, whosever it is. */
  leaf(spiffeId: string, options?: CertificateOptions): Promise<ClientCertificate>;
}

export async function startHeldTrustDomain(cleanup: Cleanup, trustDomain: TrustDomain): Promise<HeldTrustDomain> {
  const root = await makeRoot(trustDomain);
  const endpointSPIFFEID = `spiffe://${trustDomain}/federation-broker`;
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
  const endpoint = await startEndpoint(await makeSvid(root, endpointSPIFFEID), (_request, response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(document),
  );
  cleanup.add(() => endpoint.close());
  return {
    trustDomain,
    declaration: {
      trustDomain,
      bundleEndpointURL: endpoint.url,
      bundleEndpointProfile: { type: 'https_spiffe', endpointSPIFFEID },
      trustDomainBundle: { inline: document.toString() },
    },
    leaf: async (spiffeId, options) => {
      const { pem, keyPem } = await makeSvid(root, spiffeId, options);
      return { chainPem: pem, keyPem };
    },
  };
}
