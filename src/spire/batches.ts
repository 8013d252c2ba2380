// How are many items written to SPIRE Server? (Batch* of its API: not a transaction, one status an item, in order)
import { status as GrpcStatus } from '@grpc/grpc-js';
import type { ItemOutcome } from '../federation/ports.ts';
import type { Status } from './gen/spire/api/types/status_pb.ts';
import { answerInvalid, SpireError, spireErrorOf } from './spire-error.ts';

/** Larger batches are not faster. */
export const BATCH_ITEMS = 50;

/** SPIRE Server refuses requests over 4 MiB; what remains is for the frame around the items. */
export const BATCH_BYTES = 4 * 1024 * 1024 - 64 * 1024;

export interface BatchResult {
  readonly status?: Status | undefined;
}

/** What a batch is made of: a request's item, its size on the wire and its name for errors. */
export interface BatchItem<Message> {
  readonly message: Message;
  readonly bytes: number;
  /** For example `bundle of west.example`. */
  readonly name: string;
}

/**
 * Writes `items` in batches of at most 50 and 4 MiB; one outcome an item, in order. A call that fails as a whole fails
 * each of its items, and when it says that no later call can succeed either, the items after it too.
 */
export async function writeInBatches<Message, Result extends BatchResult, Value>(
  attempt: string,
  items: readonly BatchItem<Message>[],
  writeBatch: (messages: readonly Message[]) => Promise<readonly Result[]>,
  valueOf: (result: Result) => Value,
): Promise<readonly ItemOutcome<Value>[]> {
  const outcomes: ItemOutcome<Value>[] = [];
  for (const batch of cutBatches(items)) {
    let results: readonly Result[];
    try {
      results = await writeBatch(batch.map((item) => item.message));
    } catch (error) {
      const failed = asSpireError(attempt, error);
      const affected = failed.code === 'SpireMessageTooLarge' ? batch.length : items.length - outcomes.length;
      for (let i = 0; i < affected; i += 1) outcomes.push({ ok: false, error: failed });
      if (outcomes.length === items.length) break;
      continue;
    }
    outcomes.push(...batch.map((item, index) => outcomeOf(`${attempt}: ${item.name}`, results[index], valueOf)));
  }
  return outcomes;
}

/** The outcome of one result of a batch. */
export function outcomeOf<Result extends BatchResult, Value>(
  attempt: string,
  result: Result | undefined,
  valueOf: (result: Result) => Value,
): ItemOutcome<Value> {
  if (result?.status === undefined) return { ok: false, error: answerInvalid(attempt, 'it says nothing about this') };
  const { code, message: text } = result.status;
  if (code !== GrpcStatus.OK.valueOf()) return { ok: false, error: spireErrorOf(attempt, { code, text }) };
  try {
    return { ok: true, value: valueOf(result) };
  } catch (error) {
    return { ok: false, error: asSpireError(attempt, error) };
  }
}

/** The value of an outcome, or its error thrown. */
export function valueOrThrow<Value>(outcome: ItemOutcome<Value>): Value {
  if (outcome.ok) return outcome.value;
  throw outcome.error;
}

function cutBatches<Message>(items: readonly BatchItem<Message>[]): readonly (readonly BatchItem<Message>[])[] {
  const batches: BatchItem<Message>[][] = [];
  let open: BatchItem<Message>[] = [];
  let openBytes = 0;
  for (const item of items) {
    const full = open.length === BATCH_ITEMS || openBytes + item.bytes > BATCH_BYTES;
    if (full && open.length > 0) {
      batches.push(open);
      open = [];
      openBytes = 0;
    }
    open.push(item);
    openBytes += item.bytes;
  }
  if (open.length > 0) batches.push(open);
  return batches;
}

function asSpireError(attempt: string, error: unknown): SpireError {
  if (error instanceof SpireError) return error;
  return answerInvalid(attempt, error instanceof Error ? error.message : String(error), error);
}
