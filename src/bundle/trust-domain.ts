// What is a trust domain name? (SPIFFE-ID §2.1)
import { BundleError } from './bundle-error.ts';
import { quoted } from './quoted.ts';

declare const trustDomainBrand: unique symbol;

/** A valid trust domain name without scheme, for example `west.example`. Made only by `parseTrustDomain`. */
export type TrustDomain = string & { readonly [trustDomainBrand]: true };

/** SPIFFE-ID §2.1: at most 255 bytes. */
export const TRUST_DOMAIN_MAX_BYTES = 255;

const TRUST_DOMAIN_PATTERN = /^[a-z0-9._-]+$/;

/**
 * Reads a bare trust domain name. Compares by exact bytes afterwards: no case folding, no special treatment of names
 * that look like IPv4 addresses.
 *
 * @throws BundleError `TrustDomainInvalid`
 */
export function parseTrustDomain(text: string): TrustDomain {
  const fault = trustDomainFault(text);
  if (fault !== undefined) {
    throw new BundleError('TrustDomainInvalid', `${quoted(text)} is not a trust domain name: ${fault}`);
  }
  return text as TrustDomain;
}

function trustDomainFault(text: string): string | undefined {
  if (text === '') return 'it is empty; write a name like "west.example"';
  if (text.startsWith('spiffe://')) return `write it without the scheme, as ${quoted(text.slice('spiffe://'.length))}`;
  if (!TRUST_DOMAIN_PATTERN.test(text)) return 'only lower-case letters, digits, dot, dash and underscore are allowed';
  if (text.length > TRUST_DOMAIN_MAX_BYTES) {
    return `it has ${text.length} bytes, more than ${TRUST_DOMAIN_MAX_BYTES}`;
  }
  return undefined;
}
