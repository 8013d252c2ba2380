// Which registration entries does SPIRE hold, and with whom do they federate? (spire.api.server.entry.v1.Entry)
import { create, toBinary } from '@bufbuild/protobuf';
import { parseTrustDomain, type TrustDomain } from '../bundle/trust-domain.ts';
import type { RegistrationEntry, SpireServer } from '../federation/ports.ts';
import { writeInBatches, type BatchItem } from './batches.ts';
import { ENTRY_MASK, entryFromMessage } from './entry-messages.ts';
import { decodeAnswer } from './decode-answer.ts';
import { Entry as EntryService, ListEntriesResponseSchema } from './gen/spire/api/server/entry/v1/entry_pb.ts';
import { EntrySchema, type Entry as EntryMessage } from './gen/spire/api/types/entry_pb.ts';
import { unaryBytes, unaryClient } from './grpc-service.ts';
import { isRecordEntry } from './entry-record.ts';
import { readAllPages, type Page } from './pages.ts';
import { rememberPages } from './remember-pages.ts';
import { readablePage, type SpireContext } from './spire-context.ts';
import { answerInvalid } from './spire-error.ts';

const PAGE_ENTRIES = 500;

type EntryCalls = Pick<SpireServer, 'countEntries' | 'listEntries' | 'updateFederatesWith'>;

export function entryCalls(context: SpireContext): EntryCalls {
  const service = unaryClient(EntryService, context.caller);
  const listBytes = unaryBytes(EntryService.method.listEntries, context.caller);
  const remembered = rememberPages<RegistrationEntry>();
  const { readMs, listMs, writeMs } = context.deadlines;
  return {
    async countEntries(signal) {
      const { count } = await service.countEntries({}, { deadlineMs: readMs, signal });
      return count;
    },

    async listEntries(signal) {
      const entries = await readAllPages('ListEntries', async (pageToken) => {
        const answer = await listBytes(
          { outputMask: ENTRY_MASK, pageSize: PAGE_ENTRIES, pageToken },
          { deadlineMs: listMs, signal },
        );
        return remembered(pageToken, answer, () => readListed(context, answer));
      });
      return entries.filter(({ id }) => !isRecordEntry(id));
    },

    updateFederatesWith(updates, signal) {
      return writeInBatches(
        'BatchUpdateEntry',
        updates.map(batchItem),
        async (entries) => {
          const mask = { federatesWith: true };
          const request = { entries: [...entries], inputMask: mask, outputMask: mask };
          const answer = await service.batchUpdateEntry(request, { deadlineMs: writeMs, signal });
          return answer.results;
        },
        ({ entry }) => {
          if (entry === undefined) throw answerInvalid('BatchUpdateEntry', 'it has no entry');
          return entry.federatesWith.map(parseTrustDomain);
        },
      );
    },
  };
}

function readListed(context: SpireContext, answer: Uint8Array): Page<RegistrationEntry> {
  const { entries, nextPageToken } = decodeAnswer('ListEntries', ListEntriesResponseSchema, answer);
  const page = { items: entries, nextPageToken };
  return readablePage(context, 'entry', page, (message) => message.id, entryFromMessage);
}

function batchItem(update: {
  readonly id: string;
  readonly federatesWith: readonly TrustDomain[];
}): BatchItem<EntryMessage> {
  const message = create(EntrySchema, { id: update.id, federatesWith: [...update.federatesWith] });
  return { message, bytes: toBinary(EntrySchema, message).length, name: `entry ${update.id}` };
}
