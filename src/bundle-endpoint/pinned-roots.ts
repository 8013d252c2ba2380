// Which roots does an endpoint claim whose keys were pinned? (SPIFFE Federation §5.2.2.2: first contact without a bundle)
// Looked up over a connection that proves nothing, so nothing but the pinned roots is taken from it: the fetch that
// counts is a second one, to an endpoint that must present an SVID issued by one of them. Who has not the pinned key
// cannot do that, whatever the first answer said.
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { parseBundleDocument } from '../bundle/bundle-document.ts';
import type { X509Authority } from '../bundle/bundle.ts';
import { BundleError } from '../bundle/bundle-error.ts';
import { pinOfCertificate } from '../bundle/spki-pin.ts';
import { trustDomainOf } from '../bundle/spiffe-id.ts';
import type { BundleRequest } from '../federation/ports.ts';
import { EndpointError, endpointErrorOf } from './endpoint-error.ts';
import { MIN_TLS_VERSION } from './endpoint-tls.ts';
import { readBody } from './read-body.ts';

export interface PinnedRootsLimits {
  readonly totalTimeoutMs: number;
  readonly maxBodyBytes: number;
}

const MAX_HEADER_BYTES = 8192;

/** The request with the pinned roots as authorities, where it has pins in place of authorities. Follows no redirect. */
export async function withPinnedRoots(
  request: BundleRequest,
  limits: PinnedRootsLimits,
  signal: AbortSignal | undefined,
): Promise<BundleRequest> {
  const { trust } = request;
  if (trust.type !== 'https_spiffe' || trust.authorities.length > 0) return request;
  const { pins = [], endpointSpiffeId } = trust;
  if (pins.length === 0) return request;
  const deadline = AbortSignal.timeout(limits.totalTimeoutMs);
  const stop = signal === undefined ? deadline : AbortSignal.any([deadline, signal]);
  const claimed = await claimedRoots(request.url, trustDomainOf(endpointSpiffeId), limits, stop).catch(
    (error: unknown) => {
      if (signal?.aborted === true) throw new EndpointError('Cancelled', `${request.url}: cancelled`, { cause: error });
      throw endpointErrorOf(request.url, error);
    },
  );
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
  { maxBodyBytes }: PinnedRootsLimits,
  stop: AbortSignal,
): Promise<readonly X509Authority[]> {
  const target = new URL(url);
  const response = await open(target, stop);
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

function open(url: URL, stop: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const call = httpsRequest(url, {
      rejectUnauthorized: false,
      minVersion: MIN_TLS_VERSION,
      agent: false,
      signal: stop,
      maxHeaderSize: MAX_HEADER_BYTES,
      headers: { accept: 'application/json', 'user-agent': 'spire-federation-broker' },
    });
    call.on('response', resolve);
    call.on('error', reject);
    call.end();
  });
}
