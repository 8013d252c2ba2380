// Which roots does an endpoint claim whose keys were pinned? (SPIFFE Federation §5.2.2.2: first contact without a bundle)
// Looked up over a connection that proves nothing, so nothing but the pinned roots is taken from it: the fetch that
// counts is a second one, to an endpoint that must present an SVID issued by one of them. Who has not the pinned key
// cannot do that, whatever the first answer said.
import { parseBundleDocument } from '../bundle/bundle-document.ts';
import type { X509Authority } from '../bundle/bundle.ts';
import { BundleError } from '../bundle/bundle-error.ts';
import { pinOfCertificate } from '../bundle/spki-pin.ts';
import { trustDomainOf } from '../bundle/spiffe-id.ts';
import type { BundleRequest } from '../federation/ports.ts';
import { EndpointError } from './endpoint-error.ts';
import { sendUnproved } from './endpoint-requests.ts';
import type { FetchLimits } from './fetch-limits.ts';
import { readBody } from './read-body.ts';

const HEADERS = { accept: 'application/json', 'user-agent': 'spire-federation-broker' };

/**
 * The request with the pinned roots as authorities, where it has pins in place of authorities. Follows no redirect.
 * Rejects with EndpointError, or with what Node and OpenSSL say.
 */
export async function withPinnedRoots(
  request: BundleRequest,
  limits: FetchLimits,
  signal: AbortSignal,
): Promise<BundleRequest> {
  const { trust } = request;
  if (trust.type !== 'https_spiffe' || trust.authorities.length > 0) return request;
  const { pins = [], endpointSpiffeId } = trust;
  if (pins.length === 0) return request;
  const claimed = await claimedRoots(request.url, trustDomainOf(endpointSpiffeId), limits, signal);
  const authorities = claimed.filter((der) => pins.includes(pinOfCertificate(der)));
  if (authorities.length > 0) return { ...request, trust: { ...trust, authorities } };
  throw new EndpointError(
    'PinnedRootMissing',
    `${request.url}: none of the ${claimed.length} roots it publishes has a key that policy.pin names: somebody else answers, or the peer has changed its roots; ask its operators for the pins of today`,
  );
}

async function claimedRoots(
  url: string,
  trustDomain: ReturnType<typeof trustDomainOf>,
  { connectTimeoutMs, maxBodyBytes }: FetchLimits,
  signal: AbortSignal,
): Promise<readonly X509Authority[]> {
  const target = new URL(url);
  const response = await sendUnproved({ url: target, headers: HEADERS, connectTimeoutMs, signal });
  try {
    if (response.statusCode !== 200) {
      throw new EndpointError(
        'StatusUnexpected',
        `${url}: status ${response.statusCode ?? 0}; at first contact a bundle endpoint must answer 200`,
      );
    }
    return parseBundleDocument(await readBody(response, target, maxBodyBytes), trustDomain).bundle.x509Authorities;
  } catch (error) {
    if (!(error instanceof BundleError)) throw error;
    const message = `${url}: the answer has no pinned root, for it cannot be read as a bundle: ${error.message}`;
    throw new EndpointError('PinnedRootMissing', message, { cause: error });
  } finally {
    response.destroy();
  }
}
