// Why can a record not be written or not be read? (codes of conditions, metrics and the command line)

/**
 * `AuditUnwritable`: the file or its folder. `AuditLocked`: another process has not let go of it in time. `AuditBroken`:
 * the end of the chain is not what its hashes say, so nothing can be appended to it.
 */
export type AuditErrorCode = 'AuditUnwritable' | 'AuditLocked' | 'AuditBroken';

/** The one error of `src/audit`. */
export class AuditError extends Error {
  override readonly name = 'AuditError';
  readonly code: AuditErrorCode;

  constructor(code: AuditErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; make room, nothing else is needed',
  EDQUOT: 'the quota is used up; make room, nothing else is needed',
  EACCES: 'the broker may not write there; the folder must be writable for its user',
  EPERM: 'the broker may not write there; the folder must be writable for its user',
  EROFS: 'the file system is read-only; mount a volume for the audit file',
  ENOENT: 'the folder does not exist; create it or mount a volume there',
  ENOTDIR: 'a part of the path is no folder',
  EISDIR: 'the path is a folder; auditFile names a file',
};

/** Reads a failure of the file system. */
export function auditErrorOf(path: string, error: unknown): AuditError {
  if (error instanceof AuditError) return error;
  const { code = 'no code', message } = error as NodeJS.ErrnoException;
  return new AuditError('AuditUnwritable', `${path}: ${ADVICE[code] ?? message} (${code})`, { cause: error });
}
