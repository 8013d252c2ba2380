// Where does the broker keep what it must know after a restart? In SPIRE: a registration entry of ours, whose selectors
// are the record.
import { parseSpiffeId } from '../bundle/spiffe-id.ts';
import type { Selector } from '../federation/ports.ts';
import { outcomeOf, valueOrThrow } from './batches.ts';
import { spiffeIdToMessage } from './entry-messages.ts';
import { Entry as EntryService } from './gen/spire/api/server/entry/v1/entry_pb.ts';
import { unaryClient } from './grpc-service.ts';
import type { SpireContext } from './spire-context.ts';
import { isSpireError } from './spire-error.ts';

/** The last part of the entry's id and of its SPIFFE ID. */
export type RecordName = 'managed-peers' | 'rotation';

const RECORD_NAMES: readonly RecordName[] = ['managed-peers', 'rotation'];

/** No agent attests selectors of this type, and none has the entry's parent ID: no workload ever gets its SVID. */
export const RECORD_SELECTOR_TYPE = 'fedbroker';

export interface EntryRecord {
  readonly entryId: string;
  /** Undefined when nothing was ever recorded, or it was deleted. */
  read(signal?: AbortSignal): Promise<readonly Selector[] | undefined>;
  /** At least one: SPIRE refuses an entry without selectors. Writes nothing when that is recorded already. */
  write(values: readonly string[], signal?: AbortSignal): Promise<void>;
  delete(signal?: AbortSignal): Promise<void>;
}

/** Whether the entry is a record: no workload's. */
export function isRecordEntry(id: string): boolean {
  return RECORD_NAMES.some((name) => id === entryIdOf(name));
}

export function entryRecord(context: SpireContext, name: RecordName): EntryRecord {
  const service = unaryClient(EntryService, context.caller);
  const entryId = entryIdOf(name);
  const writing = (signal: AbortSignal | undefined) => ({ deadlineMs: context.deadlines.writeMs, signal });

  async function read(signal?: AbortSignal): Promise<readonly Selector[] | undefined> {
    try {
      const { selectors } = await service.getEntry(
        { id: entryId, outputMask: { selectors: true } },
        { deadlineMs: context.deadlines.readMs, signal },
      );
      return selectors.map(({ type, value }) => ({ type, value }));
    } catch (error) {
      if (isSpireError(error, 'SpireNotFound')) return undefined;
      throw error;
    }
  }

  async function create(selectors: readonly Selector[], signal: AbortSignal | undefined): Promise<void> {
    const parentId = parseSpiffeId(`spiffe://${context.trustDomain}/federation-broker`);
    const entry = {
      id: entryId,
      spiffeId: spiffeIdToMessage(parseSpiffeId(`${parentId}/${name}`)),
      parentId: spiffeIdToMessage(parentId),
      selectors: [...selectors],
    };
    const { results } = await service.batchCreateEntry({ entries: [entry], outputMask: {} }, writing(signal));
    valueOrThrow(outcomeOf(`BatchCreateEntry of ${entryId}`, results[0], () => undefined));
  }

  async function update(selectors: readonly Selector[], signal: AbortSignal | undefined): Promise<void> {
    const entries = [{ id: entryId, selectors: [...selectors] }];
    const { results } = await service.batchUpdateEntry(
      { entries, inputMask: { selectors: true }, outputMask: {} },
      writing(signal),
    );
    valueOrThrow(outcomeOf(`BatchUpdateEntry of ${entryId}`, results[0], () => undefined));
  }

  return {
    entryId,
    read,
    async write(values, signal) {
      const wanted = values.map((value) => ({ type: RECORD_SELECTOR_TYPE, value }));
      const recorded = await read(signal);
      if (recorded !== undefined && sameSelectors(recorded, wanted)) return;
      if (recorded !== undefined) {
        await update(wanted, signal);
        return;
      }
      try {
        await create(wanted, signal);
      } catch (error) {
        // Another process recorded first.
        if (!isSpireError(error, 'SpireAlreadyExists')) throw error;
        await update(wanted, signal);
      }
    },
    async delete(signal) {
      const { results } = await service.batchDeleteEntry({ ids: [entryId] }, writing(signal));
      try {
        valueOrThrow(outcomeOf(`BatchDeleteEntry of ${entryId}`, results[0], () => undefined));
      } catch (error) {
        if (!isSpireError(error, 'SpireNotFound')) throw error;
      }
    },
  };
}

function entryIdOf(name: RecordName): string {
  return `fedbroker.${name}`;
}

function sameSelectors(a: readonly Selector[], b: readonly Selector[]): boolean {
  const keys = (selectors: readonly Selector[]) => selectors.map(({ type, value }) => `${type}:${value}`).sort();
  return keys(a).join('\n') === keys(b).join('\n');
}
