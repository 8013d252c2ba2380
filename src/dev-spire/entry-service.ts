// What does SPIRE Server answer about registration entries? (spire.api.server.entry.v1.Entry)
import { randomUUID } from 'node:crypto';
import { clone, create } from '@bufbuild/protobuf';
import { status as GrpcStatus } from '@grpc/grpc-js';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Entry as EntryService } from '../spire/gen/spire/api/server/entry/v1/entry_pb.ts';
import { EntrySchema, type Entry, type EntryMask } from '../spire/gen/spire/api/types/entry_pb.ts';
import { entryFilter } from './entry-filter.ts';
import { checkEntry, checkStorable, similarEntry } from './entry-rules.ts';
import type { ServiceHandlers } from './grpc-listener.ts';
import { unixSeconds } from './jwt-authority.ts';
import { trustDomainFromText } from './names.ts';
import { itemResult, OK, RpcError, within } from './rpc-error.ts';
import { resolveFederatesWith, type Store } from './store.ts';

const { ALREADY_EXISTS, INTERNAL, INVALID_ARGUMENT, NOT_FOUND } = GrpcStatus;

/** The fields of a mask; the id is always answered. */
const MASKED_FIELDS = [
  'spiffeId',
  'parentId',
  'selectors',
  'x509SvidTtl',
  'federatesWith',
  'admin',
  'downstream',
  'expiresAt',
  'dnsNames',
  'revisionNumber',
  'storeSvid',
  'jwtSvidTtl',
  'hint',
  'createdAt',
  'additionalAttributes',
] as const satisfies readonly (keyof EntryMask & keyof Entry)[];

/** What an update never takes from the request. */
const NEVER_UPDATED: ReadonlySet<string> = new Set(['revisionNumber', 'createdAt']);

export function entryService(own: TrustDomain, store: Store, now: () => Date): ServiceHandlers<typeof EntryService> {
  function createEntry(given: Entry): { readonly entry: Entry; readonly existed: boolean } {
    within('failed to convert entry', INVALID_ARGUMENT, () => {
      checkEntry(own, given, undefined);
    });
    within('failed to create entry', INVALID_ARGUMENT, () => {
      checkStorable(given);
    });
    const similar = similarEntry(store.entries.rows(), given);
    if (similar !== undefined) return { entry: similar, existed: true };
    const entry = clone(EntrySchema, given);
    if (entry.id === '') entry.id = randomUUID();
    entry.revisionNumber = 0n;
    entry.createdAt = BigInt(unixSeconds(now()));
    if (store.entries.has(entry.id)) {
      throw new RpcError(
        ALREADY_EXISTS,
        'failed to create entry: datastore-sql: UNIQUE constraint failed: registered_entries.entry_id',
      );
    }
    entry.federatesWith = within('failed to create entry', INTERNAL, () => federatesWith(given));
    store.entries.set(entry.id, entry);
    return { entry, existed: false };
  }

  function updateEntry(given: Entry, mask: EntryMask | undefined): Entry {
    within('failed to convert entry', INVALID_ARGUMENT, () => {
      checkEntry(own, given, mask);
    });
    const stored = store.entries.get(given.id);
    if (stored === undefined) throw new RpcError(NOT_FOUND, 'failed to update entry');
    const entry = clone(EntrySchema, stored);
    for (const field of MASKED_FIELDS) {
      if (NEVER_UPDATED.has(field) || (mask !== undefined && !mask[field])) continue;
      Object.assign(entry, { [field]: given[field] });
    }
    if (mask === undefined || mask.federatesWith) {
      entry.federatesWith = within('failed to update entry', INTERNAL, () => federatesWith(given));
    }
    // Also for an update that changes nothing: agents then re-issue the SVID.
    entry.revisionNumber += 1n;
    store.entries.set(entry.id, entry);
    return entry;
  }

  function federatesWith(entry: Entry): string[] {
    return resolveFederatesWith(store, entry.federatesWith.map(trustDomainFromText));
  }

  return {
    countEntries({ filter }) {
      return { count: store.entries.rows().filter(entryFilter(filter)).length };
    },

    listEntries({ filter, outputMask, pageSize, pageToken }) {
      const { rows, nextPageToken } = store.entries.page(pageSize, pageToken, entryFilter(filter));
      return { entries: rows.map((entry) => masked(entry, outputMask)), nextPageToken };
    },

    getEntry({ id, outputMask }) {
      if (id === '') throw new RpcError(INVALID_ARGUMENT, 'missing ID');
      const entry = store.entries.get(id);
      if (entry === undefined) throw new RpcError(NOT_FOUND, 'entry not found');
      return masked(entry, outputMask);
    },

    batchCreateEntry({ entries, outputMask }) {
      const results = entries.map((given) =>
        itemResult(() => {
          const { entry, existed } = createEntry(given);
          const status = existed ? { code: ALREADY_EXISTS, message: 'similar entry already exists' } : OK;
          return { status, entry: masked(entry, outputMask) };
        }),
      );
      return { results };
    },

    batchUpdateEntry({ entries, inputMask, outputMask }) {
      const results = entries.map((given) =>
        itemResult(() => ({ entry: masked(updateEntry(given, inputMask), outputMask) })),
      );
      return { results };
    },

    batchDeleteEntry({ ids }) {
      const results = ids.map((id) => ({
        ...itemResult(() => {
          if (id === '') throw new RpcError(INVALID_ARGUMENT, 'missing entry ID');
          if (!store.entries.delete(id)) throw new RpcError(NOT_FOUND, 'entry not found');
          return {};
        }),
        id,
      }));
      return { results };
    },
  };
}

function masked(entry: Entry, mask: EntryMask | undefined): Entry {
  const answer = clone(EntrySchema, entry);
  if (mask === undefined) return answer;
  const shown = MASKED_FIELDS.filter((field) => mask[field]).map((field) => [field, answer[field]] as const);
  return create(EntrySchema, { id: entry.id, ...Object.fromEntries(shown) });
}
