// How does a federation relationship look on SPIRE's wire? (spire.api.types.FederationRelationship)
import type { MessageInitShape } from '@bufbuild/protobuf';
import { parseSpiffeId } from '../bundle/spiffe-id.ts';
import { parseTrustDomain } from '../bundle/trust-domain.ts';
import type { FederationRelationship } from '../federation/ports.ts';
import type { BundleEndpointProfile } from '../federation/relationship.ts';
import type {
  FederationRelationship as RelationshipMessage,
  FederationRelationshipMaskSchema,
  FederationRelationshipSchema,
  HTTPSSPIFFEProfileSchema,
  HTTPSWebProfileSchema,
} from './gen/spire/api/types/federationrelationship_pb.ts';

type ProfileMessage = RelationshipMessage['bundleEndpointProfile'];
type ProfileInit =
  | { case: 'httpsWeb'; value: MessageInitShape<typeof HTTPSWebProfileSchema> }
  | { case: 'httpsSpiffe'; value: MessageInitShape<typeof HTTPSSPIFFEProfileSchema> };

/** What a `FederationRelationship` is made of; never the bundle, which an update would overwrite. */
export const RELATIONSHIP_MASK: MessageInitShape<typeof FederationRelationshipMaskSchema> = {
  bundleEndpointUrl: true,
  bundleEndpointProfile: true,
};

/** @throws BundleError when the trust domain or the endpoint's SPIFFE ID is not one; Error without a profile */
export function relationshipFromMessage(message: RelationshipMessage): FederationRelationship {
  return {
    trustDomain: parseTrustDomain(message.trustDomain),
    bundleEndpointUrl: message.bundleEndpointUrl,
    profile: profileFromMessage(message.bundleEndpointProfile),
  };
}

export function relationshipToMessage(
  relationship: FederationRelationship,
): Exclude<MessageInitShape<typeof FederationRelationshipSchema>, RelationshipMessage> {
  return {
    trustDomain: relationship.trustDomain,
    bundleEndpointUrl: relationship.bundleEndpointUrl,
    bundleEndpointProfile: profileToMessage(relationship.profile),
  };
}

function profileFromMessage(message: ProfileMessage): BundleEndpointProfile {
  switch (message.case) {
    case 'httpsWeb':
      return { type: 'https_web' };
    case 'httpsSpiffe':
      return { type: 'https_spiffe', endpointSpiffeId: parseSpiffeId(message.value.endpointSpiffeId) };
    case undefined:
      throw new Error('the relationship has no bundle endpoint profile');
  }
}

function profileToMessage(profile: BundleEndpointProfile): ProfileInit {
  switch (profile.type) {
    case 'https_web':
      return { case: 'httpsWeb', value: {} };
    case 'https_spiffe':
      return { case: 'httpsSpiffe', value: { endpointSpiffeId: profile.endpointSpiffeId } };
  }
}
