// What did the demo show, in numbers? The object that --output json prints.
import type { CallTally } from './call-tally.ts';
import type { MeshResult } from './mesh-leg.ts';
import type { Rotation } from './rotation.ts';

export interface DemoResult {
  /** Those that were activated. */
  readonly rotations: number;
  /** Calls over mTLS, good and failed. */
  readonly handshakes: number;
  readonly failedHandshakes: number;
  /** From "root published" to "the other SPIRE holds it", whole milliseconds; null when that was never seen. */
  readonly rotationToPeerMs: { readonly p50: number | null; readonly max: number | null };
  /** `embedded`, or SPIRE's version. */
  readonly spire: string;
  /** Its version; null where peers are declared in files. */
  readonly kubernetes: string | null;
  /** Null without a mesh. */
  readonly mesh: MeshResult | null;
}

export function demoResult(
  rotations: readonly Rotation[],
  tallies: readonly Pick<CallTally, 'ok' | 'failures'>[],
  rest: Pick<DemoResult, 'spire' | 'kubernetes' | 'mesh'>,
): DemoResult {
  const toPeerMs = rotations.flatMap((rotation) => rotation.toPeerMs ?? []).sort((a, b) => a - b);
  const failedHandshakes = tallies.reduce((sum, { failures }) => sum + failures, 0);
  return {
    rotations: rotations.filter(({ activatedAfterMs }) => activatedAfterMs !== undefined).length,
    handshakes: tallies.reduce((sum, { ok }) => sum + ok, failedHandshakes),
    failedHandshakes,
    rotationToPeerMs: { p50: whole(toPeerMs[Math.ceil(toPeerMs.length / 2) - 1]), max: whole(toPeerMs.at(-1)) },
    ...rest,
  };
}

function whole(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms);
}
