// Which names does SPIRE Server accept, and in which words does it refuse others? (go-spiffe's and SPIRE's texts)
import { BundleError } from '../bundle/bundle-error.ts';
import { parseSpiffeId, pathOf, trustDomainOf, type SpiffeId } from '../bundle/spiffe-id.ts';
import { parseTrustDomain, type TrustDomain } from '../bundle/trust-domain.ts';
import type { SPIFFEID } from '../spire/gen/spire/api/types/spiffeid_pb.ts';

/** SPIRE takes a bare name, and also any SPIFFE ID of the trust domain. Throws Error with go-spiffe's text. */
export function trustDomainFromText(text: string): TrustDomain {
  if (text.includes(':/')) return trustDomainOf(spiffeIdFromText(text));
  if (text === '') throw new Error('trust domain is missing');
  try {
    return parseTrustDomain(text);
  } catch {
    throw new Error('trust domain characters are limited to lowercase letters, numbers, dots, dashes, and underscores');
  }
}

export function spiffeIdFromText(text: string): SpiffeId {
  if (!text.startsWith('spiffe://')) throw new Error('scheme is missing or invalid');
  try {
    return parseSpiffeId(text);
  } catch (error) {
    if (error instanceof BundleError) throw new Error(error.message);
    throw error;
  }
}

/** A SPIFFE ID of this trust domain with a path: what may be an entry's parent. */
export function memberId(own: TrustDomain, message: SPIFFEID | undefined): SpiffeId {
  if (message === undefined) throw new Error('request must specify SPIFFE ID');
  trustDomainFromText(message.trustDomain);
  const id = spiffeIdFromText(`spiffe://${message.trustDomain}${message.path}`);
  checkMember(own, id, 'a member of');
  return id;
}

/** A member ID outside `/spire`: what a workload may have. */
export function workloadId(own: TrustDomain, message: SPIFFEID | undefined): SpiffeId {
  const id = memberId(own, message);
  checkWorkloadId(own, id);
  return id;
}

export function checkWorkloadId(own: TrustDomain, id: SpiffeId): void {
  checkMember(own, id, 'a workload in');
  const path = pathOf(id) ?? '';
  if (path === '/spire' || path.startsWith('/spire/')) {
    throw new Error(`"${id}" is not a workload in trust domain "${own}"; path is in the reserved namespace`);
  }
}

function checkMember(own: TrustDomain, id: SpiffeId, what: string): void {
  if (trustDomainOf(id) !== own) throw new Error(`"${id}" is not a member of trust domain "${own}"`);
  if (pathOf(id) === undefined) throw new Error(`"${id}" is not ${what} trust domain "${own}"; path is empty`);
}
