// Which foreign bundles does SPIRE's own poller fetch? (spire.api.server.trustdomain.v1.TrustDomain)
import type { SpireServer } from '../federation/ports.ts';
import { outcomeOf, valueOrThrow } from './batches.ts';
import { bundleToMessage } from './bundle-messages.ts';
import { TrustDomain as TrustDomainService } from './gen/spire/api/server/trustdomain/v1/trustdomain_pb.ts';
import { unaryClient } from './grpc-service.ts';
import { readAllPages } from './pages.ts';
import { RELATIONSHIP_MASK, relationshipFromMessage, relationshipToMessage } from './relationship-messages.ts';
import { readablePage, type SpireContext } from './spire-context.ts';
import { isSpireError } from './spire-error.ts';

const PAGE_RELATIONSHIPS = 200;

type RelationshipCalls = Pick<
  SpireServer,
  | 'listFederationRelationships'
  | 'createFederationRelationship'
  | 'updateFederationRelationship'
  | 'deleteFederationRelationship'
  | 'refreshBundle'
>;

export function relationshipCalls(context: SpireContext): RelationshipCalls {
  const service = unaryClient(TrustDomainService, context.caller);
  const { listMs, writeMs, refreshMs } = context.deadlines;
  return {
    listFederationRelationships(signal) {
      return readAllPages('ListFederationRelationships', async (pageToken) => {
        const { federationRelationships: items, nextPageToken } = await service.listFederationRelationships(
          { outputMask: RELATIONSHIP_MASK, pageSize: PAGE_RELATIONSHIPS, pageToken },
          { deadlineMs: listMs, signal },
        );
        const page = { items, nextPageToken };
        return readablePage(context, 'relationship', page, (message) => message.trustDomain, relationshipFromMessage);
      });
    },

    async createFederationRelationship(relationship, bootstrap, signal) {
      const message = relationshipToMessage(relationship);
      const { results } = await service.batchCreateFederationRelationship(
        {
          federationRelationships: [
            bootstrap === undefined ? message : { ...message, trustDomainBundle: bundleToMessage(bootstrap) },
          ],
          outputMask: {},
        },
        { deadlineMs: writeMs, signal },
      );
      const attempt = `BatchCreateFederationRelationship of ${relationship.trustDomain}`;
      valueOrThrow(outcomeOf(attempt, results[0], () => undefined));
    },

    async updateFederationRelationship(relationship, signal) {
      const { results } = await service.batchUpdateFederationRelationship(
        {
          federationRelationships: [relationshipToMessage(relationship)],
          inputMask: RELATIONSHIP_MASK,
          outputMask: {},
        },
        { deadlineMs: writeMs, signal },
      );
      const attempt = `BatchUpdateFederationRelationship of ${relationship.trustDomain}`;
      valueOrThrow(outcomeOf(attempt, results[0], () => undefined));
    },

    async deleteFederationRelationship(trustDomain, signal) {
      const { results } = await service.batchDeleteFederationRelationship(
        { trustDomains: [trustDomain] },
        { deadlineMs: writeMs, signal },
      );
      const outcome = outcomeOf(`BatchDeleteFederationRelationship of ${trustDomain}`, results[0], () => true);
      return !outcome.ok && isSpireError(outcome.error, 'SpireNotFound') ? false : valueOrThrow(outcome);
    },

    async refreshBundle(trustDomain, signal) {
      try {
        await service.refreshBundle({ trustDomain }, { deadlineMs: refreshMs, signal });
        return 'Refreshed';
      } catch (error) {
        if (isSpireError(error, 'SpireNotFound')) return 'NotManaged';
        throw error;
      }
    },
  };
}
