// What does a record look like as a line, and does a line follow the one before it? (SHA-256 chain over JSON lines)
import { createHash } from 'node:crypto';
import type { AuditEvent, AuditHead } from '../federation/audit-trail.ts';
import type { ChainState } from './chain-state.ts';

/** What the chain says of itself. */
export type ChainEvent =
  | { readonly kind: 'ChainBegun' }
  /** First in each further file, so that the file alone tells what holds by now. */
  | { readonly kind: 'FileContinued'; readonly state: ChainState }
  /** The bytes of a record that was never finished were cut off: a process was killed while it wrote. */
  | { readonly kind: 'TornRecordRemoved'; readonly bytes: number; readonly sha256: string };

export type RecordedEvent = AuditEvent | ChainEvent;

export type AuditRecord = RecordedEvent & {
  readonly record: number;
  /** RFC 3339, by the clock of the machine that wrote it. */
  readonly at: string;
  /** Which process wrote it. */
  readonly writer: string;
  /** Hash of the record before it. */
  readonly previous: string;
  readonly hash: string;
};

export interface SealedRecord {
  readonly record: AuditRecord;
  readonly head: AuditHead;
  /** With its line feed. */
  readonly line: Buffer;
}

export type LineFaultCode = 'RecordMalformed' | 'HashWrong' | 'NumberWrong' | 'PreviousWrong';

/** A line is not the record that belongs there. */
export class LineFault extends Error {
  readonly code: LineFaultCode;

  constructor(code: LineFaultCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Before the first record. */
export const GENESIS: AuditHead = { record: 0, hash: '0'.repeat(64) };

export const HASH = /^[0-9a-f]{64}$/;

/** `,"hash":"…"}` ends every line; the hash is over all bytes before it. */
const ENDING = /^,"hash":"([0-9a-f]{64})"\}$/;
const ENDING_BYTES = ',"hash":""}'.length + 64;

export function sealRecord(
  previous: AuditHead,
  { at, writer }: { readonly at: Date; readonly writer: string },
  event: RecordedEvent,
): SealedRecord {
  const head = { record: previous.record + 1, at: at.toISOString(), writer, previous: previous.hash };
  const content = { ...head, ...event };
  const text = JSON.stringify(content, withoutBigints).slice(0, -1);
  const hash = createHash('sha256').update(text).digest('hex');
  return {
    record: { ...content, hash },
    head: { record: head.record, hash },
    line: Buffer.from(`${text},"hash":"${hash}"}\n`),
  };
}

/**
 * Reads a line, without its line feed, that must follow `previous`; undefined: whatever is before it is taken as given.
 *
 * @throws LineFault
 */
export function readRecord(line: Uint8Array, previous: AuditHead | undefined): AuditRecord {
  const bytes = Buffer.from(line.buffer, line.byteOffset, line.byteLength);
  const [, hash] = ENDING.exec(bytes.subarray(-ENDING_BYTES).toString('latin1')) ?? [];
  if (hash === undefined) throw new LineFault('RecordMalformed', 'it does not end with a hash as a record does');
  const hashed = bytes.subarray(0, -ENDING_BYTES);
  if (createHash('sha256').update(hashed).digest('hex') !== hash) {
    throw new LineFault('HashWrong', 'its content is not what its hash was made of');
  }
  const record = parsed(bytes);
  if (previous === undefined) return record;
  const expected = previous.record + 1;
  if (record.record !== expected) {
    throw new LineFault('NumberWrong', `it is record ${record.record}, where record ${expected} belongs`);
  }
  if (record.previous !== previous.hash) {
    throw new LineFault('PreviousWrong', `it does not follow the record ${previous.record} that stands before it`);
  }
  return record;
}

export function headOf({ record, hash }: AuditRecord): AuditHead {
  return { record, hash };
}

function parsed(bytes: Buffer): AuditRecord {
  try {
    const { record, at, previous, kind, writer, ...rest } = JSON.parse(bytes.toString('utf8')) as AuditRecord;
    const isWhole =
      Number.isSafeInteger(record) && [at, previous, kind, writer].every((member) => typeof member === 'string');
    if (isWhole) return { record, at, writer, previous, kind, ...rest } as AuditRecord;
  } catch {
    // Told below.
  }
  throw new LineFault('RecordMalformed', 'it is not a record, though its hash is right');
}

function withoutBigints(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
