// What comes next in a rotation that is led? Decided anew from what is true each time, so that it can be interrupted
// anywhere. (SPIRE 1.15.3: one slot beside the active authority, and a clock that nobody can hold back)
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { AuthorityState } from '../federation/local-authority.ts';
import type { AuthorityKind } from './authority-times.ts';
import type { KindReadiness } from './readiness.ts';
import { refusalBeforeActivation, type RotationRefusalCode } from './rotation-refusals.ts';
import type { RotationRecord } from './rotation-record.ts';
import { waitForPeers, type WaitReason } from './rotation-waits.ts';

/** What is true now, as SPIRE and the running broker say it. */
export interface RotationView {
  readonly now: Date;
  readonly kind: AuthorityKind;
  /** Of this process. */
  readonly run: string;
  /** When this process last asked for an authority to be prepared; it can have been done though it failed. */
  readonly askedAt: Date | undefined;
  readonly asked: { readonly taintOld: boolean; readonly revokeOld: boolean };
  /** Of the last rotation, which may be under way; undefined: none is known. */
  readonly record: RotationRecord | undefined;
  readonly state: AuthorityState;
  /** The authorities of our own bundle by id, and whether they are tainted. */
  readonly published: ReadonlyMap<string, { readonly tainted: boolean }>;
  /** Undefined: the broker does not answer. */
  readonly readiness: KindReadiness | undefined;
  /** The peers that the broker has told of to this process as observed, though it may have been started anew since. */
  readonly heard: ReadonlySet<TrustDomain>;
  /** When the SVIDs of our agents end: of those that are neither banned nor expired. */
  readonly agentExpiries: readonly Date[];
  readonly times: RotationTimes;
}

export interface RotationTimes {
  /** Before an authority signs, our own agents must have synced: SPIRE's do every five seconds. */
  readonly servedAtLeastSeconds: number;
  /** From taint to revoke: what was minted without an agent, and JWT-SVIDs, end by themselves only. */
  readonly revokeAfterSeconds: number;
  /** Before nothing prepared is taken for nothing under way: how long a call to prepare may take, whoever made it. */
  readonly callEndsWithinSeconds: number;
  /** Run again so soon after the end, it is done: another rotation is not begun by mistake. */
  readonly notAgainWithinSeconds: number;
}

export type RotationStep =
  /** Write down how far it is: what follows can then be interrupted. */
  | { readonly step: 'Record'; readonly record: RotationRecord }
  | { readonly step: 'Prepare' }
  /** `until`: when it ends by itself; undefined when only others can end it. */
  | { readonly step: 'Wait'; readonly reason: WaitReason; readonly until: Date | undefined; readonly message: string }
  | { readonly step: 'Activate' | 'Taint' | 'Revoke'; readonly id: string }
  | { readonly step: 'WatchAgents'; readonly moved: number; readonly total: number; readonly until: Date }
  | { readonly step: 'WaitBeforeRevoke'; readonly until: Date }
  /** Everything that was asked for is done. */
  | { readonly step: 'Done'; readonly record: RotationRecord }
  | { readonly step: 'Refuse'; readonly code: RotationRefusalCode; readonly message: string };

export function nextRotationStep(view: RotationView): RotationStep {
  const { kind, asked, state } = view;
  const record = currentRecord(view);
  if (record === undefined) {
    return refusalBeforeActivation({ ...view, record }) ?? { step: 'Record', record: begin(view) };
  }
  if (record.kind !== kind) {
    return refuse(
      'AnotherUnderWay',
      `a rotation of the ${record.kind} authority is under way since ${record.startedAt.toISOString()}: end it first, by "fedbroker rotate${record.kind === 'jwt' ? ' --jwt' : ''}"`,
    );
  }
  if ((asked.taintOld && !record.taintOld) || (asked.revokeOld && !record.revokeOld)) {
    const { taintOld, revokeOld } = record;
    return {
      step: 'Record',
      record: {
        ...record,
        taintOld: taintOld || asked.taintOld,
        revokeOld: revokeOld || asked.revokeOld,
        endedAt: undefined,
      },
    };
  }
  if (record.endedAt !== undefined) return { step: 'Done', record };
  if (state.active.id === record.to) return afterActivation(view, record);
  if (state.active.id === record.from) return beforeActivation(view, record);
  if (record.to === undefined && state.old?.id === record.from) {
    return { step: 'Record', record: { ...record, to: state.active.id } };
  }
  return refuse(
    'Overtaken',
    `authority ${state.active.id} signs now, which is neither the one this rotation began with nor the one it prepared: somebody or SPIRE's clock went on in between; look with "fedbroker rotation status", then "fedbroker rotate --abandon"`,
  );
}

/** What ended long ago, or was of the other kind, is over. */
function currentRecord({ record, kind, now, times }: RotationView): RotationRecord | undefined {
  if (record?.endedAt === undefined) return record;
  const isOver = now.getTime() >= record.endedAt.getTime() + times.notAgainWithinSeconds * 1000;
  return isOver || record.kind !== kind ? undefined : record;
}

function begin({ kind, run, now, asked, state }: RotationView): RotationRecord {
  return {
    ...{ kind, run, startedAt: now, askedAt: now, ...asked },
    from: state.active.id,
    // One that is prepared, by the clock or by hand, is taken: a second one would put back every peer that holds it.
    to: state.prepared?.id,
    ...{ activatedAt: undefined, agentsUntil: undefined, taintedAt: undefined, endedAt: undefined },
  };
}

function beforeActivation(view: RotationView, record: RotationRecord): RotationStep {
  const { state, run, askedAt, now, times } = view;
  const refusal = refusalBeforeActivation(view);
  if (refusal !== undefined) return refusal;
  if (state.prepared === undefined) {
    if (record.to !== undefined) {
      return refuse('Overtaken', `authority ${record.to} was prepared and is gone: did SPIRE Server lose its keys?`);
    }
    // Only who has written down that he asks may ask, and once: SPIRE may be preparing one just now.
    if (record.run === run && (askedAt === undefined || askedAt < record.askedAt)) return { step: 'Prepare' };
    const until = new Date(record.askedAt.getTime() + times.callEndsWithinSeconds * 1000);
    if (now >= until) return { step: 'Record', record: { ...record, run, askedAt: now } };
    const who = record.run === run ? 'this' : 'another';
    const message = `${who} process has asked for an authority at ${record.askedAt.toISOString()}, and SPIRE may be preparing it just now`;
    return { step: 'Wait', reason: 'PrepareUnanswered', until, message };
  }
  if (state.prepared.id !== record.to) return { step: 'Record', record: { ...record, to: state.prepared.id } };
  return waitForPeers(view, record.to) ?? { step: 'Activate', id: record.to };
}

function afterActivation(view: RotationView, record: RotationRecord): RotationStep {
  const { now, agentExpiries } = view;
  const watchesAgents = record.kind === 'x509';
  if (record.activatedAt === undefined) {
    const agentsUntil = watchesAgents ? latest(agentExpiries) : undefined;
    return { step: 'Record', record: { ...record, activatedAt: now, agentsUntil } };
  }
  const until = record.agentsUntil;
  const moved = agentExpiries.filter((expiresAt) => until === undefined || expiresAt > until).length;
  if (watchesAgents && until !== undefined && moved < agentExpiries.length) {
    return { step: 'WatchAgents', moved, total: agentExpiries.length, until };
  }
  return record.taintOld ? retire(view, record) : ended(view, record);
}

function retire(view: RotationView, record: RotationRecord): RotationStep {
  const { now, published, state, times } = view;
  const old = published.get(record.from);
  if (old === undefined) return ended(view, record);
  if (!old.tainted) {
    // Who does not hold the new authority still verifies SVIDs of the old one: they must not be replaced.
    const wait = waitForPeers(view, state.active.id);
    if (wait !== undefined) return wait;
    return state.old?.id === record.from ? { step: 'Taint', id: record.from } : outOfReach(record);
  }
  if (record.taintedAt === undefined) return { step: 'Record', record: { ...record, taintedAt: now } };
  if (!record.revokeOld) return ended(view, record);
  const until = new Date(record.taintedAt.getTime() + times.revokeAfterSeconds * 1000);
  if (now < until) return { step: 'WaitBeforeRevoke', until };
  return state.old?.id === record.from ? { step: 'Revoke', id: record.from } : outOfReach(record);
}

function ended({ now }: RotationView, record: RotationRecord): RotationStep {
  return { step: 'Record', record: { ...record, endedAt: now } };
}

function outOfReach({ from }: RotationRecord): RotationStep {
  return refuse(
    'OldOutOfReach',
    `SPIRE has one slot beside the active authority, and it no longer holds ${from}: another was prepared meanwhile, and nothing can be done with the old one any more; it goes by itself a day after its end. "fedbroker rotate --abandon" forgets this rotation`,
  );
}

function refuse(code: RotationRefusalCode, message: string): RotationStep {
  return { step: 'Refuse', code, message };
}

function latest(dates: readonly Date[]): Date | undefined {
  return dates.length === 0 ? undefined : new Date(Math.max(...dates.map((date) => date.getTime())));
}
