// What happened to the peers since we looked last? Events on their objects, at changes of their status and at removal.
import { peerInForce, type DeclaredObject } from './declared-object.ts';
import { EventRecorder, type EventCounts, type EventRecorderOptions, type PeerEvent } from './event-recorder.ts';
import type { KubeObject } from './kube-object.ts';
import { reportsByUid, type PeerReport } from './peer-report.ts';
import { peerTrustDomainStatusOf } from './peer-status.ts';
import { peerTrustDomainStatus, type PeerTrustDomainStatus } from './peer-trust-domain.ts';
import { transitionsBetween } from './status-transitions.ts';

/** The broker's report, with what it still has to remove. */
export interface PeerEventReport extends PeerReport {
  readonly heldRemovals: readonly string[];
}

interface Seen {
  readonly declared: DeclaredObject;
  /** Of what was known then; what nobody knew is as it was before. */
  readonly status: PeerTrustDomainStatus | undefined;
}

/** For one term of leadership; a new leader goes on from what the objects' status says. */
export class PeerEvents {
  readonly #options: EventRecorderOptions;
  readonly #recorder: EventRecorder;
  #seen: ReadonlyMap<string, Seen> = new Map();

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#recorder = new EventRecorder(options);
  }

  get counts(): EventCounts {
    return this.#recorder.counts;
  }

  /** Together with `PeerStatusWriter.update`. */
  update(objects: readonly DeclaredObject[], report: PeerEventReport): void {
    const seen = new Map<string, Seen>();
    const { identity, clock } = this.#options;
    for (const [uid, about] of reportsByUid(objects, report)) {
      const { declared } = about;
      const present = peerTrustDomainStatus.safeParse(declared.object['status']).data;
      const before = this.#seen.has(uid) ? this.#seen.get(uid)?.status : present;
      const input = { ...about, present: before, handled: {}, identity, now: clock.now() };
      const after = peerTrustDomainStatusOf(input);
      for (const event of transitionsBetween(before, after)) this.#recorder.record(declared.object, event);
      seen.set(uid, { declared, status: remembered(before, after) });
    }
    for (const [uid, { declared }] of this.#seen) if (!seen.has(uid)) this.#vanished(declared, report);
    this.#seen = seen;
  }

  /** What an annotation asked for, and how it went. */
  note(object: KubeObject, event: PeerEvent): void {
    this.#recorder.record(object, event);
  }

  /** Sends the events until the signal aborts; never rejects. */
  run(signal: AbortSignal): Promise<void> {
    return this.#recorder.run(signal);
  }

  /** An object that was let go once its trust was gone; another one may declare the trust domain now. */
  #vanished(declared: DeclaredObject, { peers, heldRemovals }: PeerEventReport): void {
    const trustDomain = peerInForce(declared)?.trustDomain;
    if (!declared.deleting || trustDomain === undefined || heldRemovals.includes(trustDomain)) return;
    if (peers.some((peer) => peer.trustDomain === trustDomain)) return;
    const message = `trust in ${trustDomain} was taken away: no entry names it and SPIRE holds no bundle of it`;
    this.#recorder.record(declared.object, { type: 'Normal', reason: 'Removed', action: 'Unfederate', message });
  }
}

/** A bundle or a condition that cannot be seen for a moment is not news when it is seen again. */
function remembered(before: PeerTrustDomainStatus | undefined, after: PeerTrustDomainStatus): PeerTrustDomainStatus {
  const bundle = after.bundle ?? before?.bundle;
  const conditions = after.conditions?.map((condition) =>
    condition.status === 'Unknown'
      ? (before?.conditions?.find(({ type }) => type === condition.type) ?? condition)
      : condition,
  );
  return { ...after, ...(bundle !== undefined && { bundle }), ...(conditions !== undefined && { conditions }) };
}
