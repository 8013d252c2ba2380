// How does an operator follow a rotation? A line when something new happens, and at the end who holds what, and who is
// not observed.
import type { KindStatus } from '../broker/rotation-status.ts';
import type { RotationStep, RotationView } from '../rotation/next-rotation-step.ts';
import type { RotationRecord } from '../rotation/rotation-record.ts';
import { shortId, timeText } from './rotation-text.ts';

/** A wait that does not change is told again after this long. */
const REPEAT_MS = 60_000;

export class RotationProgress {
  readonly #tell: (text: string) => void;
  #lastText: string | undefined;
  #toldAtMs = 0;

  constructor(tell: (text: string) => void) {
    this.#tell = tell;
  }

  note(step: RotationStep, view: RotationView): void {
    if (step.step === 'Done' || step.step === 'Refuse') return;
    const text = stepText(step, view);
    const nowMs = view.now.getTime();
    if (text === this.#lastText && nowMs - this.#toldAtMs < REPEAT_MS) return;
    this.#lastText = text;
    this.#toldAtMs = nowMs;
    this.#tell(`${timeText(view.now)}  ${text}\n`);
  }
}

/** One line: what is done now or waited for. */
export function stepText(step: RotationStep, { record, state }: RotationView): string {
  switch (step.step) {
    case 'Record':
      return recordText(step.record, record);
    case 'Prepare':
      return 'prepare: SPIRE makes the next authority and publishes it';
    case 'Wait': {
      const until = step.until === undefined ? '' : `, until ${timeText(step.until)}`;
      return `wait (${step.reason})${until}: ${step.message}`;
    }
    case 'Activate':
      return `activate: ${shortId(step.id)} signs from now on`;
    case 'WatchAgents':
      return `wait: ${step.moved} of ${step.total} agents have an SVID of ${shortId(state.active.id)}, the others by ${timeText(step.until)}`;
    case 'Taint':
      return `taint: what ${shortId(step.id)} signed is replaced`;
    case 'WaitBeforeRevoke':
      return `wait, until ${timeText(step.until)}: what was minted without an agent is not observed; it is given the time to end`;
    case 'Revoke':
      return `revoke: ${shortId(step.id)} leaves the bundle`;
    case 'Done':
      return `nothing to do: the rotation to ${shortId(step.record.to ?? state.active.id)} ended at ${timeText(step.record.endedAt ?? step.record.startedAt)}`;
    case 'Refuse':
      return `refused (${step.code}): ${step.message}`;
  }
}

function recordText(next: RotationRecord, before: RotationRecord | undefined): string {
  if (next.endedAt !== undefined) return 'noted: everything that was asked for is done';
  if (before?.startedAt.getTime() !== next.startedAt.getTime()) {
    const adopted = next.to === undefined ? '' : `; ${shortId(next.to)} is prepared already and is taken`;
    return `begin: the rotation of ${shortId(next.from)} is noted${adopted}`;
  }
  if (next.taintedAt !== undefined) return `noted: ${shortId(next.from)} is tainted`;
  if (next.activatedAt !== undefined) return `noted: ${shortId(next.to ?? '')} signs`;
  return next.to === undefined ? 'noted' : `noted: ${shortId(next.to)} is the next authority`;
}

/** Who holds what signs now, as the broker says it; nothing is called done that was not observed. */
export function outcomeText({ kind, state, record }: RotationView, answers: readonly KindStatus[] | undefined): string {
  const { active } = state;
  const lines = [`done: ${shortId(active.id)} signs${retiredText(record)}`];
  const authority = answers
    ?.find((answer) => answer.kind === kind)
    ?.authorities.find(({ id, state: slot }) => id === active.id && slot === 'Active');
  if (authority === undefined) {
    lines.push('not observed: which peers hold it, as the running broker does not answer');
    return `${lines.join('\n')}\n`;
  }
  const { heldBy, missing, unobserved } = authority;
  lines.push(`observed: held by ${heldBy.map(({ trustDomain }) => trustDomain).join(', ') || 'no peer'}`);
  if (missing.length > 0) {
    lines.push(`! not held by ${missing.map(({ trustDomain }) => trustDomain).join(', ')}, though it signs`);
  }
  for (const { trustDomain, safeAt } of unobserved) {
    lines.push(`not observed: ${trustDomain}; it was given the time to fetch, until ${timeText(safeAt)}`);
  }
  if (kind === 'jwt') lines.push('not observed: JWT-SVIDs of the old key; they end by themselves');
  return `${lines.join('\n')}\n`;
}

function retiredText(record: RotationRecord | undefined): string {
  if (record?.taintedAt === undefined) return '';
  return `; ${shortId(record.from)} is ${record.revokeOld ? 'tainted and revoked' : 'tainted'}`;
}
