// What is a SPIFFE ID? (SPIFFE-ID §2)
import { BundleError } from './bundle-error.ts';
import { quoted } from './quoted.ts';
import { parseTrustDomain, type TrustDomain } from './trust-domain.ts';

declare const spiffeIdBrand: unique symbol;

/** A valid SPIFFE ID in its one canonical spelling, for example `spiffe://west.example/api`. Made only by `parseSpiffeId`. */
export type SpiffeId = string & { readonly [spiffeIdBrand]: true };

/** SPIFFE-ID §2.3: implementations must support 2048 bytes and should not make longer ones. */
export const SPIFFE_ID_MAX_BYTES = 2048;

const SCHEME = 'spiffe://';
const PATH_SEGMENT_PATTERN = /^[A-Za-z0-9._-]+$/;

/**
 * Reads a SPIFFE ID. Strict as go-spiffe: the scheme and the trust domain must already be in lower case.
 *
 * @throws BundleError `SpiffeIdInvalid`
 */
export function parseSpiffeId(text: string): SpiffeId {
  const fault = spiffeIdFault(text);
  if (fault !== undefined) throw new BundleError('SpiffeIdInvalid', `${quoted(text)} is not a SPIFFE ID: ${fault}`);
  return text as SpiffeId;
}

/** The trust domain a SPIFFE ID belongs to. */
export function trustDomainOf(id: SpiffeId): TrustDomain {
  return parseTrustDomain(authorityOf(id));
}

/** The path with its leading slash, or undefined for the ID of the trust domain itself. */
export function pathOf(id: SpiffeId): string | undefined {
  const path = id.slice(SCHEME.length + authorityOf(id).length);
  return path === '' ? undefined : path;
}

/** The trust domain part of a text that starts with the scheme. */
function authorityOf(text: string): string {
  const slash = text.indexOf('/', SCHEME.length);
  return slash === -1 ? text.slice(SCHEME.length) : text.slice(SCHEME.length, slash);
}

function spiffeIdFault(text: string): string | undefined {
  if (!text.startsWith(SCHEME)) return `it does not start with "${SCHEME}"`;
  if (Buffer.byteLength(text) > SPIFFE_ID_MAX_BYTES) return `it is longer than ${SPIFFE_ID_MAX_BYTES} bytes`;
  const authority = authorityOf(text);
  try {
    parseTrustDomain(authority);
  } catch (error) {
    return (error as BundleError).message;
  }
  const path = text.slice(SCHEME.length + authority.length);
  if (path === '') return undefined;
  for (const segment of path.slice(1).split('/')) {
    if (segment === '') return 'it has an empty path segment or a trailing slash';
    if (segment === '.' || segment === '..') return 'it has a "." or ".." path segment';
    if (!PATH_SEGMENT_PATTERN.test(segment)) {
      return `path segment ${quoted(segment)} has a character other than letters, digits, dot, dash and underscore`;
    }
  }
  return undefined;
}
