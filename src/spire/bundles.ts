// Which bundles does SPIRE hold, and how are they changed? (spire.api.server.bundle.v1.Bundle)
import { create, toBinary } from '@bufbuild/protobuf';
import type { Bundle } from '../bundle/bundle.ts';
import type { SpireServer } from '../federation/ports.ts';
import { outcomeOf, valueOrThrow, writeInBatches, type BatchItem } from './batches.ts';
import { decodeAnswer } from './decode-answer.ts';
import { BUNDLE_MASK, bundleFromMessage, bundleToMessage } from './bundle-messages.ts';
import {
  BatchDeleteFederatedBundleRequest_Mode,
  Bundle as BundleService,
  ListFederatedBundlesResponseSchema,
} from './gen/spire/api/server/bundle/v1/bundle_pb.ts';
import { BundleSchema, type Bundle as BundleMessage } from './gen/spire/api/types/bundle_pb.ts';
import { unaryBytes, unaryClient } from './grpc-service.ts';
import { readAllPages, type Page } from './pages.ts';
import { rememberPages } from './remember-pages.ts';
import { readablePage, type SpireContext } from './spire-context.ts';
import { answerInvalid, isSpireError } from './spire-error.ts';

/** Of a hundred roots each, a page has half of what the channel receives at most. */
const PAGE_BUNDLES = 200;

const DELETE_MODES = {
  Restrict: BatchDeleteFederatedBundleRequest_Mode.RESTRICT,
  Dissociate: BatchDeleteFederatedBundleRequest_Mode.DISSOCIATE,
} as const;

type BundleCalls = Pick<
  SpireServer,
  | 'readOwnSequenceNumber'
  | 'readOwnBundle'
  | 'listFederatedBundles'
  | 'getFederatedBundle'
  | 'setFederatedBundles'
  | 'deleteFederatedBundle'
>;

export function bundleCalls(context: SpireContext): BundleCalls {
  const service = unaryClient(BundleService, context.caller);
  const listBytes = unaryBytes(BundleService.method.listFederatedBundles, context.caller);
  const remembered = rememberPages<Bundle>();
  const { readMs, listMs, writeMs } = context.deadlines;
  return {
    async readOwnSequenceNumber(signal) {
      const answer = await service.getBundle({ outputMask: { sequenceNumber: true } }, { deadlineMs: readMs, signal });
      return answer.sequenceNumber === 0n ? undefined : answer.sequenceNumber;
    },

    async readOwnBundle(signal) {
      const answer = await service.getBundle({ outputMask: BUNDLE_MASK }, { deadlineMs: readMs, signal });
      return readBundle('GetBundle', answer);
    },

    listFederatedBundles(signal) {
      return readAllPages('ListFederatedBundles', async (pageToken) => {
        const answer = await listBytes(
          { outputMask: BUNDLE_MASK, pageSize: PAGE_BUNDLES, pageToken },
          { deadlineMs: listMs, signal },
        );
        return remembered(pageToken, answer, () => readListed(context, answer));
      });
    },

    async getFederatedBundle(trustDomain, signal) {
      try {
        const answer = await service.getFederatedBundle(
          { trustDomain, outputMask: BUNDLE_MASK },
          { deadlineMs: readMs, signal },
        );
        return readBundle(`GetFederatedBundle of ${trustDomain}`, answer);
      } catch (error) {
        if (isSpireError(error, 'SpireNotFound')) return undefined;
        throw error;
      }
    },

    setFederatedBundles(bundles, signal) {
      return writeInBatches(
        'BatchSetFederatedBundle',
        bundles.map(batchItem),
        async (bundle) => {
          const request = { bundle: [...bundle], outputMask: BUNDLE_MASK };
          const answer = await service.batchSetFederatedBundle(request, { deadlineMs: writeMs, signal });
          return answer.results;
        },
        ({ bundle }) => readBundle('BatchSetFederatedBundle', bundle),
      );
    },

    async deleteFederatedBundle(trustDomain, mode, signal) {
      const { results } = await service.batchDeleteFederatedBundle(
        { trustDomains: [trustDomain], mode: DELETE_MODES[mode] },
        { deadlineMs: writeMs, signal },
      );
      const outcome = outcomeOf(`BatchDeleteFederatedBundle of ${trustDomain}`, results[0], () => true);
      return !outcome.ok && isSpireError(outcome.error, 'SpireNotFound') ? false : valueOrThrow(outcome);
    },
  };
}

function batchItem(bundle: Bundle): BatchItem<BundleMessage> {
  const message = create(BundleSchema, bundleToMessage(bundle));
  return { message, bytes: toBinary(BundleSchema, message).length, name: `bundle of ${bundle.trustDomain}` };
}

function readListed(context: SpireContext, answer: Uint8Array): Page<Bundle> {
  const { bundles, nextPageToken } = decodeAnswer('ListFederatedBundles', ListFederatedBundlesResponseSchema, answer);
  const page = { items: bundles, nextPageToken };
  return readablePage(context, 'bundle', page, (message) => message.trustDomain, bundleFromMessage);
}

function readBundle(attempt: string, message: BundleMessage | undefined): Bundle {
  if (message === undefined) throw answerInvalid(attempt, 'it has no bundle');
  try {
    return bundleFromMessage(message);
  } catch (error) {
    throw answerInvalid(attempt, (error as Error).message, error);
  }
}
