// How does a trust domain rotate its CA, and how soon does the other SPIRE hold the new root?
import { fingerprint } from '../../bundle/bundle.ts';
import { readCertificate } from '../../bundle/certificate.ts';
import { sleep, systemClock } from '../../federation/clock.ts';
import type { Pace } from './pace.ts';
import type { Side } from './side.ts';
import { waitUntil } from './wait-until.ts';

/** Grows while the rotation goes on. */
export interface Rotation {
  readonly number: number;
  readonly side: Side;
  /** Fingerprint of the new root. */
  readonly root: string;
  /** On the clock of `performance.now()`. */
  readonly publishedAtMs: number;
  /** From "published here" to "the other SPIRE holds it"; undefined until then. */
  readonly toPeerMs: number | undefined;
  /** From "published here" to "signs here"; undefined until then. */
  readonly activatedAfterMs: number | undefined;
}

/** How often the other SPIRE is asked: the resolution of what is measured. */
const LOOK_EVERY_MS = 5;

/**
 * Prepare, a fixed lead, activate: the lead is what an operator plans with. Nobody waits for the peer, so if it did not
 * learn of the root in time its workload refuses the new SVIDs.
 */
export async function rotate(
  { number, side, peer }: { readonly number: number; readonly side: Side; readonly peer: Side },
  pace: Pace,
  signal: AbortSignal,
  report: (rotation: Rotation) => void,
): Promise<Rotation> {
  const { x509 } = side.spire.localAuthorities;
  const { id } = await x509.prepare(signal);
  const publishedAtMs = performance.now();
  const root = await rootOf(side, id, signal);
  let rotation: Rotation = { number, side, root, publishedAtMs, toPeerMs: undefined, activatedAfterMs: undefined };
  const note = (change: Partial<Rotation>) => {
    rotation = { ...rotation, ...change };
    report(rotation);
  };
  note({});
  const watch = async () => {
    const holdsRoot = async () =>
      (await peer.spire.getFederatedBundle(side.trustDomain, signal))?.x509Authorities ?? [];
    const isThere = async () => (await holdsRoot()).some((der) => fingerprint(der) === root);
    const wait = { everyMs: LOOK_EVERY_MS, timeoutMs: pace.toPeerTimeoutMs, signal };
    if (await waitUntil(isThere, wait)) note({ toPeerMs: performance.now() - publishedAtMs });
  };
  const activate = async () => {
    await sleep(systemClock, pace.leadMs, signal);
    if (signal.aborted) return;
    await x509.activate(id, signal);
    note({ activatedAfterMs: performance.now() - publishedAtMs });
  };
  await Promise.all([watch(), activate()]);
  return rotation;
}

async function rootOf({ spire, trustDomain }: Side, authorityId: string, signal: AbortSignal): Promise<string> {
  const { x509Authorities } = await spire.readOwnBundle(signal);
  const der = x509Authorities.find((candidate) => readCertificate(candidate).subjectKeyId === authorityId);
  if (der === undefined) throw new Error(`the bundle of ${trustDomain} lacks the root it has just prepared`);
  return fingerprint(der);
}
