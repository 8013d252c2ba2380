// Is every record of the row of files there, in order and unchanged? Names the first line that is not.
import { basename } from 'node:path';
import type { AuditHead } from '../federation/audit-trail.ts';
import { ChainFold, type OpenChange } from './chain-state.ts';
import { GENESIS, headOf, LineFault, readRecord, type AuditRecord, type LineFaultCode } from './chain.ts';
import { isMissing, nodeFiles, type FileAccess } from './file-access.ts';
import { fullFiles, linesOf } from './file-row.ts';

export interface VerifyOptions {
  readonly path: string;
  /** Heads that are known from elsewhere: each must be a record's hash. Lower-case hex. */
  readonly knownHeads?: readonly string[];
  /** Hash of the last record of the files that were archived: the row here begins after it. */
  readonly after?: string;
  /** Wherever the row begins: for those who read it without judging whether all of it is here. */
  readonly anyBeginning?: boolean;
  /** Called for each record that is in its place, in order. */
  readonly onRecord?: (record: AuditRecord) => void;
  readonly files?: FileAccess;
}

export type ChainFaultCode = LineFaultCode | 'BeginningMissing' | 'RecordTorn' | 'HeadMissing';

export interface ChainFault {
  readonly code: ChainFaultCode;
  readonly file: string;
  /** Counted from 1; absent where no line is meant. */
  readonly line?: number;
  readonly message: string;
}

export interface ChainReport {
  readonly files: readonly string[];
  /** Those that were read before the fault. */
  readonly records: number;
  readonly first: number | undefined;
  readonly head: AuditHead | undefined;
  /** The first one; undefined: the chain is whole as far as it can be seen here. */
  readonly fault: ChainFault | undefined;
  /** Changes that were about to be made, of which no outcome is recorded. */
  readonly open: readonly OpenChange[];
}

/** Reads every file once, line by line. Rejects as the file system does. */
export async function verifyChain(options: VerifyOptions): Promise<ChainReport> {
  const { path, knownHeads = [], files = nodeFiles, onRecord } = options;
  const names = [...(await fullFiles(path, files)), path];
  const fold = new ChainFold();
  const unseen = new Set(knownHeads.filter((hash) => hash !== options.after));
  const read: string[] = [];
  let [records, first]: [number, number | undefined] = [0, undefined];
  let head: AuditHead | undefined;
  let fault: ChainFault | undefined;
  for (const file of names) {
    fault = await verifyFile(file, files, (line) => {
      const record = head === undefined ? firstRecord(line, options) : readRecord(line, head);
      head = headOf(record);
      first ??= record.record;
      records += 1;
      unseen.delete(record.hash);
      fold.add(record);
      onRecord?.(record);
    });
    read.push(basename(file));
    if (fault !== undefined) break;
  }
  const [missing] = unseen;
  if (fault === undefined && missing !== undefined) {
    const message = `no record has the hash ${missing}, which is known as that of a record: the chain was cut or written anew`;
    fault = { code: 'HeadMissing', file: basename(path), message };
  }
  return { files: read, records, first, head, fault, open: fold.open };
}

/** Undefined: all of its lines are in their place. */
async function verifyFile(
  file: string,
  files: FileAccess,
  check: (line: Buffer) => void,
): Promise<ChainFault | undefined> {
  const handle = await openIfThere(file, files);
  if (handle === undefined) return undefined;
  let line = 0;
  try {
    for await (const { bytes, isWhole } of linesOf(handle)) {
      line += 1;
      const here = { file: basename(file), line };
      if (!isWhole) {
        const message = 'it does not end: it was being written when the writer was killed, or it was cut';
        return { code: 'RecordTorn', ...here, message };
      }
      try {
        check(bytes);
      } catch (error) {
        if (error instanceof BeginningMissing) return { code: 'BeginningMissing', ...here, message: error.message };
        if (!(error instanceof LineFault)) throw error;
        return { code: error.code, ...here, message: error.message };
      }
    }
  } finally {
    await handle.close();
  }
  return undefined;
}

class BeginningMissing extends Error {}

function firstRecord(line: Buffer, { after, anyBeginning = false }: VerifyOptions): AuditRecord {
  const record = readRecord(line, undefined);
  if (anyBeginning) return record;
  if (record.record === 1 && after === undefined) return readRecord(line, GENESIS);
  if (after !== undefined && record.previous === after) return record;
  const given =
    after === undefined
      ? 'if older files were archived, name the hash of their last record by --after'
      : `it does not follow ${after}`;
  throw new BeginningMissing(`the row begins with record ${record.record}, after ${record.previous}; ${given}`);
}

async function openIfThere(file: string, files: FileAccess) {
  try {
    return await files.open(file, 'r');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
