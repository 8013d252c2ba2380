// What if a peer's endpoint, with a valid identity, serves what must not be believed? (SPIFFE Federation §4.2)
import { serializeBundle } from '../../bundle/bundle-document.ts';
import { bundlesEqual, type Bundle } from '../../bundle/bundle.ts';
import { sleep, systemClock } from '../../federation/clock.ts';
import { conditionOf } from './peer-condition.ts';
import type { Side } from './side.ts';
import { waitUntil, type Wait } from './wait-until.ts';

export interface HostileDocument {
  /** Completes "the endpoint serves …". */
  readonly what: string;
  readonly body: Buffer;
  /** Of the condition BundleVerified. */
  readonly expectedReason: string;
}

export interface HostileOutcome {
  /** Undefined when the broker raised none in time. */
  readonly reason: string | undefined;
  /** Whether SPIRE holds the same as before. */
  readonly bundleKept: boolean;
}

const REFRESH_HINT_SECONDS = 300;
const WAIT = { everyMs: 20, timeoutMs: 5_000 };

/** `first` is what the peer published before its rotations. */
export function hostileDocuments(first: Bundle): readonly HostileDocument[] {
  return [
    {
      what: 'its document from before the rotations',
      body: serializeBundle(first, { refreshHintSeconds: REFRESH_HINT_SECONDS }),
      expectedReason: 'SequenceRollback',
    },
    {
      what: 'a document without keys',
      body: Buffer.from('{"keys":[],"spiffe_sequence":1000000,"spiffe_refresh_hint":300}'),
      expectedReason: 'EmptyBundle',
    },
  ];
}

/** Resolves after the document was served for `forMs`, to what the broker of `victim` made of it. */
export async function serveHostile(
  { side, victim, document }: { readonly side: Side; readonly victim: Side; readonly document: HostileDocument },
  forMs: number,
  signal: AbortSignal,
): Promise<HostileOutcome> {
  const wait: Wait = { ...WAIT, signal };
  const before = await victim.spire.getFederatedBundle(side.trustDomain, signal);
  side.broker.endpoint.publication.publish(document.body);
  // An endpoint that serves something unusable is asked by its refresh hint; nobody wants to watch that.
  victim.broker.refresh(side.trustDomain);
  await waitUntil(() => verifiedReason(victim, side) === document.expectedReason, wait);
  const reason = verifiedReason(victim, side);
  await sleep(systemClock, forMs, signal);
  const after = await victim.spire.getFederatedBundle(side.trustDomain, signal);
  return { reason, bundleKept: before !== undefined && after !== undefined && bundlesEqual(before, after) };
}

/** The endpoint serves the truth again. Whether the broker of `victim` says that all is well. */
export async function serveTruth(side: Side, victim: Side, signal: AbortSignal): Promise<boolean> {
  const own = await side.spire.readOwnBundle(signal);
  side.broker.endpoint.publication.publish(serializeBundle(own, { refreshHintSeconds: REFRESH_HINT_SECONDS }));
  victim.broker.refresh(side.trustDomain);
  return waitUntil(() => conditionOf(victim, side, 'Ready')?.status === 'True', { ...WAIT, signal });
}

/** Undefined while the bundle is accepted. */
function verifiedReason(victim: Side, side: Side): string | undefined {
  const condition = conditionOf(victim, side, 'BundleVerified');
  return condition?.status === 'False' ? condition.reason : undefined;
}
