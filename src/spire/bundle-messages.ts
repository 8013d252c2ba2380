// How does a bundle look on SPIRE's wire? (spire.api.types.Bundle; 0 is its only word for "none")
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Bundle, JwtAuthority } from '../bundle/bundle.ts';
import { parseTrustDomain } from '../bundle/trust-domain.ts';
import type { Bundle as BundleMessage, BundleMaskSchema, BundleSchema } from './gen/spire/api/types/bundle_pb.ts';

/** What a `Bundle` is made of: everything but WIT authorities. */
export const BUNDLE_MASK: MessageInitShape<typeof BundleMaskSchema> = {
  x509Authorities: true,
  jwtAuthorities: true,
  refreshHint: true,
  sequenceNumber: true,
};

/**
 * Tainted authorities stay in: SPIRE's own bundle endpoint publishes them too, until they are revoked.
 *
 * @throws BundleError `TrustDomainInvalid`
 */
export function bundleFromMessage(message: BundleMessage): Bundle {
  return {
    trustDomain: parseTrustDomain(message.trustDomain),
    x509Authorities: message.x509Authorities.map(({ asn1 }) => ownBytes(asn1)),
    jwtAuthorities: uniqueByKeyId(
      message.jwtAuthorities.map(({ keyId, publicKey }) => ({ keyId, publicKey: ownBytes(publicKey) })),
    ),
    sequenceNumber: message.sequenceNumber === 0n ? undefined : message.sequenceNumber,
    refreshHintSeconds: refreshHintFromMessage(message.refreshHint),
  };
}

export function bundleToMessage(bundle: Bundle): MessageInitShape<typeof BundleSchema> {
  return {
    trustDomain: bundle.trustDomain,
    x509Authorities: bundle.x509Authorities.map((asn1) => ({ asn1 })),
    jwtAuthorities: bundle.jwtAuthorities.map(({ keyId, publicKey }) => ({ keyId, publicKey })),
    sequenceNumber: bundle.sequenceNumber ?? 0n,
    refreshHint: BigInt(bundle.refreshHintSeconds ?? 0),
  };
}

/** A message's bytes are a window on its whole answer, which would stay in memory as long as one root of a page. */
function ownBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/** SPIRE stores any 64-bit number; only a positive one can be a hint, and one that a double cannot hold is none. */
function refreshHintFromMessage(seconds: bigint): number | undefined {
  return seconds > 0n && seconds <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(seconds) : undefined;
}

/** SPIRE accepts a key id twice; agents read the keys into a map, where the last one stays. */
function uniqueByKeyId(authorities: readonly JwtAuthority[]): readonly JwtAuthority[] {
  return [...new Map(authorities.map((authority) => [authority.keyId, authority])).values()];
}
