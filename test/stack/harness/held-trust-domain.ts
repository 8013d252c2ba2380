// Who signs what no honest trust domain would? One whose authority is in the test's hands, with an endpoint like a broker's.
import type { RequestListener } from 'node:http';
import { serializeBundle } from '../../../src/bundle/bundle-document.ts';
import type { Bundle } from '../../../src/bundle/bundle.ts';
import type { TrustDomain } from '../../../src/bundle/trust-domain.ts';
import { type CertificateOptions, type Issued, makeRoot, makeSvid } from '../../fakes/fake-ca.ts';
import { startEndpoint } from '../../fakes/hostile-endpoint.ts';
import type { Cleanup } from './cleanup.ts';
import type { ClientCertificate } from './envoy-config.ts';

const REFRESH_HINT_SECONDS = 300;

export interface HeldTrustDomain {
  readonly trustDomain: TrustDomain;
  /** What it signs with. */
  readonly root: Issued;
  /** How a broker is told of it. */
  readonly declaration: Readonly<Record<string, unknown>>;
  /** A leaf with this SPIFFE ID, whosever it is. */
  leaf(spiffeId: string, options?: CertificateOptions): Promise<ClientCertificate>;
  /** From now on the endpoint serves a newer bundle with these roots, in DER, or with its own root alone: this document. */
  publish(roots?: Bundle['x509Authorities']): Buffer;
  /** From now on the endpoint proves itself by an SVID of this root; default: its own. */
  present(issuer?: Issued): Promise<void>;
  /** From now on the endpoint answers like this. */
  answer(handler: RequestListener): void;
}

export async function startHeldTrustDomain(cleanup: Cleanup, trustDomain: TrustDomain): Promise<HeldTrustDomain> {
  const root = await makeRoot(trustDomain);
  const endpointSPIFFEID = `spiffe://${trustDomain}/federation-broker`;
  let sequenceNumber = 0n;
  const nextDocument = (x509Authorities: Bundle['x509Authorities'] = [root.der]): Buffer => {
    const bundle = { trustDomain, x509Authorities, jwtAuthorities: [], refreshHintSeconds: REFRESH_HINT_SECONDS };
    const numbered = { ...bundle, sequenceNumber: ++sequenceNumber };
    return serializeBundle(numbered, { refreshHintSeconds: REFRESH_HINT_SECONDS });
  };
  const serving =
    (document: Buffer): RequestListener =>
    (_request, response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(document);
  const first = nextDocument();
  let handle = serving(first);
  const endpoint = await startEndpoint(await makeSvid(root, endpointSPIFFEID), (request, response) => {
    handle(request, response);
  });
  cleanup.add(() => endpoint.close());
  return {
    trustDomain,
    root,
    declaration: {
      trustDomain,
      bundleEndpointURL: endpoint.url,
      bundleEndpointProfile: { type: 'https_spiffe', endpointSPIFFEID },
      trustDomainBundle: { inline: first.toString() },
    },
    leaf: async (spiffeId, options) => {
      const { pem, keyPem } = await makeSvid(root, spiffeId, options);
      return { chainPem: pem, keyPem };
    },
    publish: (roots) => {
      const document = nextDocument(roots);
      handle = serving(document);
      return document;
    },
    present: async (issuer = root) => {
      endpoint.setIdentity(await makeSvid(issuer, endpointSPIFFEID));
    },
    answer: (handler) => {
      handle = handler;
    },
  };
}
