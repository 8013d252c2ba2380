// What does SPIRE Server answer about federation relationships? (spire.api.server.trustdomain.v1.TrustDomain)
import { clone, create } from '@bufbuild/protobuf';
import { status as GrpcStatus } from '@grpc/grpc-js';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { TrustDomain as TrustDomainService } from '../spire/gen/spire/api/server/trustdomain/v1/trustdomain_pb.ts';
import {
  FederationRelationshipSchema,
  type FederationRelationship,
  type FederationRelationshipMask,
} from '../spire/gen/spire/api/types/federationrelationship_pb.ts';
import { storableBundle } from './bundle-service.ts';
import type { ServiceHandlers } from './grpc-listener.ts';
import { spiffeIdFromText, trustDomainFromText } from './names.ts';
import { itemResult, RpcError, within } from './rpc-error.ts';
import type { Store } from './store.ts';

const { INTERNAL, INVALID_ARGUMENT, NOT_FOUND } = GrpcStatus;

/** What SPIRE's own poller knows and does. */
export interface Poller {
  /** Trust domains of SPIRE's configuration file: refreshed, but never listed. */
  readonly configured: ReadonlySet<TrustDomain>;
  /** Fetches and stores that bundle; an Error thrown is what SPIRE answers. */
  fetch(trustDomain: TrustDomain): Promise<void>;
}

export function trustDomainService(
  own: TrustDomain,
  store: Store,
  poller: Poller,
): ServiceHandlers<typeof TrustDomainService> {
  /** The row to store and its trust domain; a bundle given with it is stored at once. */
  function storeBundleOf(given: FederationRelationship): void {
    const { trustDomainBundle } = given;
    if (trustDomainBundle === undefined) return;
    const stored = storableBundle(trustDomainBundle);
    store.bundles.set(stored.trustDomain, stored);
  }

  function createRelationship(given: FederationRelationship): FederationRelationship {
    const row = convert(given);
    if (row.trustDomain === own) {
      throw new RpcError(INVALID_ARGUMENT, 'unable to create federation relationship for server trust domain');
    }
    if (store.relationships.has(row.trustDomain)) {
      throw new RpcError(
        INTERNAL,
        'failed to create federation relationship: datastore-sql: UNIQUE constraint failed: federated_trust_domains.trust_domain',
      );
    }
    storeBundleOf(given);
    store.relationships.set(row.trustDomain, row);
    return row;
  }

  function updateRelationship(
    given: FederationRelationship,
    mask: FederationRelationshipMask | undefined,
  ): FederationRelationship {
    // A mask does not excuse: SPIRE checks the whole object.
    const row = convert(given);
    const stored = store.relationships.get(row.trustDomain);
    if (stored === undefined) {
      throw new RpcError(
        INTERNAL,
        'failed to update federation relationship: unable to fetch federation relationship: record not found',
      );
    }
    const updated = clone(FederationRelationshipSchema, stored);
    if (mask === undefined || mask.bundleEndpointUrl) updated.bundleEndpointUrl = row.bundleEndpointUrl;
    if (mask === undefined || mask.bundleEndpointProfile) updated.bundleEndpointProfile = row.bundleEndpointProfile;
    if (mask === undefined || mask.trustDomainBundle) storeBundleOf(given);
    store.relationships.set(row.trustDomain, updated);
    return updated;
  }

  function masked(row: FederationRelationship, mask: FederationRelationshipMask | undefined): FederationRelationship {
    const { trustDomain, bundleEndpointUrl, bundleEndpointProfile } = clone(FederationRelationshipSchema, row);
    const bundle = store.bundles.get(trustDomain);
    return create(FederationRelationshipSchema, {
      trustDomain,
      ...(mask === undefined || mask.bundleEndpointUrl ? { bundleEndpointUrl } : {}),
      ...(mask === undefined || mask.bundleEndpointProfile ? { bundleEndpointProfile } : {}),
      ...((mask === undefined || mask.trustDomainBundle) && bundle !== undefined ? { trustDomainBundle: bundle } : {}),
    });
  }

  return {
    listFederationRelationships({ outputMask, pageSize, pageToken }) {
      const { rows, nextPageToken } = store.relationships.page(pageSize, pageToken);
      return { federationRelationships: rows.map((row) => masked(row, outputMask)), nextPageToken };
    },

    getFederationRelationship({ trustDomain: text, outputMask }) {
      const row = store.relationships.get(requestedTrustDomain(text));
      if (row === undefined) throw new RpcError(NOT_FOUND, 'federation relationship does not exist');
      return masked(row, outputMask);
    },

    batchCreateFederationRelationship({ federationRelationships, outputMask }) {
      const results = federationRelationships.map((given) =>
        itemResult(() => ({ federationRelationship: masked(createRelationship(given), outputMask) })),
      );
      return { results };
    },

    batchUpdateFederationRelationship({ federationRelationships, inputMask, outputMask }) {
      const results = federationRelationships.map((given) =>
        itemResult(() => ({ federationRelationship: masked(updateRelationship(given, inputMask), outputMask) })),
      );
      return { results };
    },

    batchDeleteFederationRelationship({ trustDomains }) {
      const results = trustDomains.map((text) => ({
        ...itemResult(() => {
          if (text === '') throw new RpcError(INVALID_ARGUMENT, 'missing trust domain');
          // The bundle stays.
          if (!store.relationships.delete(requestedTrustDomain(text))) {
            throw new RpcError(NOT_FOUND, 'federation relationship not found');
          }
          return {};
        }),
        trustDomain: text,
      }));
      return { results };
    },

    async refreshBundle({ trustDomain: text }) {
      const trustDomain = requestedTrustDomain(text);
      if (!store.relationships.has(trustDomain) && !poller.configured.has(trustDomain)) {
        throw new RpcError(NOT_FOUND, `no relationship with trust domain "${trustDomain}"`);
      }
      try {
        await poller.fetch(trustDomain);
      } catch (error) {
        throw new RpcError(INTERNAL, `failed to refresh bundle: ${(error as Error).message}`);
      }
      return {};
    },
  };
}

function requestedTrustDomain(text: string): TrustDomain {
  return within('failed to parse trust domain', INVALID_ARGUMENT, () => trustDomainFromText(text));
}

/** The relationship as SPIRE stores it, without its bundle. */
function convert(given: FederationRelationship): FederationRelationship {
  return within('failed to convert federation relationship', INVALID_ARGUMENT, () => {
    const trustDomain = trustDomainOrFault(given.trustDomain);
    const profile = given.bundleEndpointProfile;
    checkEndpointUrl(given.bundleEndpointUrl);
    if (profile.case === undefined) throw new Error('unsupported bundle endpoint profile type: <nil>');
    if (profile.case === 'httpsSpiffe') checkEndpointSpiffeId(profile.value.endpointSpiffeId);
    if (given.trustDomainBundle !== undefined) checkBundle(given.trustDomainBundle, trustDomain);
    const { bundleEndpointUrl, bundleEndpointProfile } = clone(FederationRelationshipSchema, given);
    return create(FederationRelationshipSchema, { trustDomain, bundleEndpointUrl, bundleEndpointProfile });
  });
}

function trustDomainOrFault(text: string): TrustDomain {
  try {
    return trustDomainFromText(text);
  } catch (error) {
    throw new Error(`failed to parse trust domain: ${(error as Error).message}`);
  }
}

function checkEndpointUrl(text: string): void {
  if (!text.startsWith('https://')) throw new Error('bundle endpoint URL must use the https scheme');
  const authority = text.slice('https://'.length).split(/[/?#]/, 1)[0] ?? '';
  if (authority === '') throw new Error('bundle endpoint URL must specify the host');
  if (authority.includes('@')) throw new Error('bundle endpoint URL must not contain user info');
}

function checkEndpointSpiffeId(text: string): void {
  try {
    spiffeIdFromText(text);
  } catch (error) {
    throw new Error(`failed to parse endpoint SPIFFE ID: ${(error as Error).message}`);
  }
}

function checkBundle(bundle: Parameters<typeof storableBundle>[0], trustDomain: TrustDomain): void {
  let stored;
  try {
    stored = storableBundle(bundle);
  } catch (error) {
    throw new Error(`failed to parse bundle: ${(error as Error).message}`);
  }
  if (stored.trustDomain !== trustDomain) {
    throw new Error(
      `trust domain bundle ("${bundle.trustDomain}") must match the trust domain of the federation relationship ("${trustDomain}")`,
    );
  }
}
