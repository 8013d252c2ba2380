// How is a step run so that its intention is on disk before it and its outcome after it?
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { ChangeEnded, ChangeIntended } from '../federation/audit-trail.ts';
import type { StepOutcome } from '../federation/judgement.ts';
import type { Step } from '../federation/plan.ts';
import type { CodedError } from '../federation/ports.ts';
import { endOf, recordsOf, type AuditGround } from './audit-steps.ts';
import type { Auditor } from './auditor.ts';
import { codedError } from './coded.ts';

export interface StepAudit extends Pick<AuditGround, 'facts' | 'plan'> {
  readonly auditor: Auditor;
}

/** Runs `run` for the steps, or, where their intention cannot be recorded and must be, makes that their outcome. */
export async function runRecorded(
  steps: readonly Step[],
  failed: ReadonlySet<TrustDomain>,
  { auditor, ...ground }: StepAudit,
  run: () => Promise<StepOutcome[]>,
): Promise<StepOutcome[]> {
  const audited = { ...ground, audited: (trustDomain: TrustDomain) => auditor.peer(trustDomain) };
  const records = steps.flatMap((step) => recordsOf(step, failed, audited).map((each) => ({ ...each, step })));
  if (records.length === 0) return run();
  const intended = await auditor.intend(records.map(({ intention }) => intention));
  if (intended.refusal !== undefined) {
    const { refusal: error } = intended;
    return records.map(({ step: { kind }, intention: { trustDomains } }) => ({ kind, trustDomains, error }));
  }
  const outcomes = await run();
  const ends = records.flatMap((each, index): ChangeEnded[] => {
    const record = intended.records[index];
    return record === undefined ? [] : [endOf(each, record, outcomes)];
  });
  await auditor.end(ends);
  return outcomes;
}

/** One change that is no step of a plan. Rejects as `run` does, or with `AuditUnwritable`. */
export async function runRecordedOnce<T>(
  change: Omit<ChangeIntended, 'kind'>,
  auditor: Auditor | undefined,
  run: () => Promise<T>,
): Promise<T> {
  if (auditor === undefined) return run();
  const intended = await auditor.intend([{ kind: 'ChangeIntended', ...change }]);
  if (intended.refusal !== undefined) throw intended.refusal;
  const [intention] = intended.records;
  const end = async (error: CodedError | undefined) => {
    if (intention === undefined) return;
    const { trustDomains } = change;
    const result = error === undefined ? { result: 'Done' } : { result: error.code, message: error.message };
    await auditor.end([{ kind: 'ChangeEnded', intention, trustDomains, ...result }]);
  };
  let value: T;
  try {
    value = await run();
  } catch (error) {
    await end(codedError(error));
    throw error;
  }
  await end(undefined);
  return value;
}
