// Which certificate files does our https_web endpoint present? Read again by content: a mounted Secret exchanges links,
// which file watchers do not see.
import { readFile } from 'node:fs/promises';
import { sleep, type Clock } from '../federation/clock.ts';
import type { TlsIdentity } from './bundle-listener.ts';

export interface WebIdentityParts {
  readonly certPath: string;
  readonly keyPath: string;
  readonly clock: Clock;
  /** Throws when key and certificate do not belong together; the identity before stays in use. */
  readonly use: (identity: TlsIdentity) => void;
  readonly onFailure: (error: unknown) => void;
}

const LOOK_EVERY_MS = 10_000;

/** Looks until the signal aborts. A pair that cannot be used is reported once and tried again when a file changes. */
export async function followWebIdentity(parts: WebIdentityParts, signal: AbortSignal): Promise<void> {
  let seen: string | undefined;
  while (!signal.aborted) {
    const state = await readState(parts);
    if (state.text !== seen) {
      seen = state.text;
      try {
        parts.use(state.identity());
      } catch (error) {
        parts.onFailure(error);
      }
    }
    await sleep(parts.clock, LOOK_EVERY_MS, signal);
  }
}

/** What the files say, or why they cannot be read; `text` differs whenever that does. */
async function readState({ certPath, keyPath }: WebIdentityParts): Promise<{
  readonly text: string;
  readonly identity: () => TlsIdentity;
}> {
  try {
    // One after the other: of two missing files it is always the same one that is reported.
    const chainPem = await readFile(certPath, 'utf8');
    const keyPem = await readFile(keyPath, 'utf8');
    return { text: JSON.stringify([chainPem, keyPem]), identity: () => ({ chainPem, keyPem }) };
  } catch (error) {
    return {
      text: String(error),
      identity: () => {
        throw error;
      },
    };
  }
}
