// How is a rotation led from its first step to its last? A thin loop: look, decide, do one thing, look again.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { sleep, type Clock } from '../federation/clock.ts';
import type { LocalAuthorities } from '../federation/local-authority.ts';
import type { AuthorityKind } from './authority-times.ts';
import { nextRotationStep, type RotationStep, type RotationTimes, type RotationView } from './next-rotation-step.ts';
import type { KindReadiness } from './readiness.ts';
import type { RotationRecord, RotationRecords } from './rotation-record.ts';

/** How far our own trust domain followed. */
export interface RotationSights {
  /** When the SVID of each agent that is not banned ends; also of those that are past it. */
  readAgentExpiries(signal?: AbortSignal): Promise<readonly Date[]>;
  /** The authorities of our own bundle by id. */
  readPublished(
    signal?: AbortSignal,
  ): Promise<Readonly<Record<AuthorityKind, ReadonlyMap<string, { readonly tainted: boolean }>>>>;
}

export interface RotationPorts extends RotationSights {
  readonly authorities: LocalAuthorities;
  readonly records: RotationRecords;
  /** Undefined while the running broker does not answer. */
  askBroker(signal: AbortSignal): Promise<readonly KindReadiness[] | undefined>;
}

export interface RotationOrder {
  readonly kind: AuthorityKind;
  readonly asked: RotationView['asked'];
  readonly times: RotationTimes;
  /** A name for this process that no other has. */
  readonly run: string;
}

export interface LeadParts {
  readonly ports: RotationPorts;
  readonly clock: Clock;
  readonly pollMs: number;
  /** Afterwards no more is waited for; what is under way stays recorded. */
  readonly timeoutMs: number;
  readonly onStep: (step: RotationStep, view: RotationView) => void;
  readonly signal: AbortSignal;
}

export type RotationEnd =
  | { readonly end: 'Done'; readonly view: RotationView }
  | { readonly end: 'Refused'; readonly step: Extract<RotationStep, { step: 'Refuse' }> }
  /** It goes on when it is run again. */
  | { readonly end: 'TimedOut' | 'Interrupted'; readonly step: RotationStep | undefined };

/** Looks once: what would be done next. */
export async function lookAtRotation(
  { kind, asked, times, run }: RotationOrder,
  { ports, clock, signal }: Pick<LeadParts, 'ports' | 'clock' | 'signal'>,
  before: Partial<Pick<RotationView, 'record' | 'askedAt' | 'heard'>> = {},
): Promise<RotationView> {
  const [record, state, published, agents, readiness] = await Promise.all([
    ports.records.read(signal),
    ports.authorities[kind].state(signal),
    ports.readPublished(signal),
    ports.readAgentExpiries(signal),
    ports.askBroker(signal),
  ]);
  const now = clock.now();
  const ofKind = readiness?.find((each) => each.kind === kind);
  return {
    ...{ now, kind, run, asked, state, times, askedAt: before.askedAt },
    // Somebody deleted it meanwhile: what it said still holds, and is written again with the next step.
    record: record ?? before.record,
    published: published[kind],
    readiness: ofKind,
    heard: new Set([...(before.heard ?? []), ...observedPeers(ofKind)]),
    agentExpiries: agents.filter((expiresAt) => expiresAt > now),
  };
}

/** Those whose brokers have told what they hold. */
function observedPeers(readiness: KindReadiness | undefined): readonly TrustDomain[] {
  const { authorities = [] } = readiness ?? {};
  return authorities.flatMap(({ heldBy, missing }) => [...heldBy, ...missing].map(({ trustDomain }) => trustDomain));
}

/** So many looks in a row may fail, as while SPIRE Server restarts. */
const FAILED_LOOKS = 30;

/** Rejects with SPIRE's error when a step fails twice in a row; then, too, it goes on when it is run again. */
export async function leadRotation(order: RotationOrder, parts: LeadParts): Promise<RotationEnd> {
  const { ports, clock, pollMs, timeoutMs, onStep, signal } = parts;
  const endMs = clock.now().getTime() + timeoutMs;
  let record: RotationRecord | undefined;
  let askedAt: Date | undefined;
  let heard: RotationView['heard'] = new Set();
  let step: RotationStep | undefined;
  let failedStep: RotationStep['step'] | undefined;
  let failedLooks = FAILED_LOOKS;
  while (!signal.aborted) {
    let view: RotationView;
    try {
      view = await lookAtRotation(order, parts, { record, askedAt, heard });
      failedLooks = 0;
    } catch (error) {
      failedLooks += 1;
      if (failedLooks > FAILED_LOOKS) throw error;
      await sleep(clock, pollMs, signal);
      continue;
    }
    ({ record, heard } = view);
    step = nextRotationStep(view);
    onStep(step, view);
    if (step.step === 'Refuse') return { end: 'Refused', step };
    if (step.step === 'Done') return { end: 'Done', view };
    if (isWait(step)) {
      if (view.now.getTime() >= endMs) return { end: 'TimedOut', step };
      await sleep(clock, pollMs, signal);
      continue;
    }
    if (step.step === 'Prepare') askedAt = clock.now();
    try {
      await take(step, order.kind, ports, signal);
      // What was recorded before it is tried again is not what failed.
      if (step.step === failedStep) failedStep = undefined;
    } catch (error) {
      if (failedStep === step.step) throw error;
      // It may have been done all the same: then something else comes next.
      failedStep = step.step;
      continue;
    }
    if (step.step === 'Record') ({ record } = step);
  }
  return { end: 'Interrupted', step };
}

type WaitingStep = Extract<RotationStep, { step: 'Wait' | 'WatchAgents' | 'WaitBeforeRevoke' }>;

function isWait(step: RotationStep): step is WaitingStep {
  return step.step === 'Wait' || step.step === 'WatchAgents' || step.step === 'WaitBeforeRevoke';
}

async function take(
  step: Exclude<RotationStep, WaitingStep | { step: 'Refuse' | 'Done' }>,
  kind: AuthorityKind,
  { authorities, records }: RotationPorts,
  signal: AbortSignal,
): Promise<void> {
  const authority = authorities[kind];
  switch (step.step) {
    case 'Record':
      await records.write(step.record, signal);
      return;
    case 'Prepare':
      await authority.prepare(signal);
      return;
    case 'Activate':
      await authority.activate(step.id, signal);
      return;
    case 'Taint':
      await authority.taint(step.id, signal);
      return;
    case 'Revoke':
      await authority.revoke(step.id, signal);
  }
}
