// How soon is a new root of one SPIRE Server in the other? Prepared again and again, at any moment of an interval.
import { setTimeout as pause } from 'node:timers/promises';
import type { Cleanup } from './cleanup.ts';
import { eventually } from './eventually.ts';
import type { SpireServer } from './spire-server.ts';
import { openApi, storedRoots } from './stored-roots.ts';

const LOOK_EVERY_MS = 2;
/** SPIRE's own poller takes up to 15 s at its shortest interval (measured on SPIRE 1.15.3). */
const ARRIVES_WITHIN_MS = 90_000;

export interface RotationSampling {
  readonly samples: number;
  /** Of whatever polls on the way: a sample begins at any moment of it, not just after a turn. */
  readonly intervalMs: number;
}

/** For each sample, milliseconds from the call of `PrepareX509Authority` until the other SPIRE has the new root. */
export async function sampleRotations(
  cleanup: Cleanup,
  [from, to]: readonly [SpireServer, SpireServer],
  { samples, intervalMs }: RotationSampling,
): Promise<readonly number[]> {
  const [publisher, consumer] = [openApi(cleanup, from), openApi(cleanup, to)];
  const countRoots = async () => (await storedRoots(consumer, from.trustDomain))?.length ?? 0;
  const durationsMs: number[] = [];
  for (let sample = 0; sample < samples; sample++) {
    await pause(Math.random() * intervalMs);
    const before = await countRoots();
    const startMs = performance.now();
    await publisher.localAuthorities.x509.prepare();
    await eventually('the peer holds the new root', async () => (await countRoots()) > before, {
      intervalMs: LOOK_EVERY_MS,
      timeoutMs: ARRIVES_WITHIN_MS,
    });
    durationsMs.push(performance.now() - startMs);
  }
  return durationsMs;
}
