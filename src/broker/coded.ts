// Which code does a failure carry to conditions, metrics and logs?
import type { CodedError } from '../federation/ports.ts';

/** What came from a boundary has its code; anything else is a fault of this program and is named so, never hidden. */
export function codedError(error: unknown): CodedError {
  if (error instanceof Error) {
    const { code } = error as { readonly code?: unknown };
    return Object.assign(error, { code: typeof code === 'string' ? code : 'InternalError' });
  }
  return Object.assign(new Error(String(error)), { code: 'InternalError' });
}
