// What is said of one step of the flow, and how does a failed change become such a judgement?
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Step } from './plan.ts';
import type { CodedError } from './ports.ts';

export interface Judgement {
  readonly status: 'True' | 'False' | 'Unknown';
  /** CamelCase: a rule's id or an error's code. */
  readonly reason: string;
  /** For people; says what to try. */
  readonly message: string;
}

/** How a step ended. */
export interface StepOutcome {
  readonly kind: Step['kind'];
  readonly trustDomains: readonly TrustDomain[];
  readonly error: CodedError | undefined;
  /** For one object of an update: the entry's SPIFFE ID, the ClusterSPIFFEID's name. */
  readonly subject?: string;
}

export function failureOf(outcomes: readonly StepOutcome[], kinds: readonly Step['kind'][]): Judgement | undefined {
  const failures = outcomes.flatMap(({ kind, error, subject }) =>
    error !== undefined && kinds.includes(kind) ? [{ error, subject }] : [],
  );
  const [first] = failures;
  if (first === undefined) return undefined;
  const where = first.subject === undefined ? '' : `${first.subject}: `;
  const more = failures.length > 1 ? ` (and ${failures.length - 1} more)` : '';
  return no(first.error.code, `${where}${first.error.message}${more}`);
}

export function yes(reason: string, message: string): Judgement {
  return { status: 'True', reason, message };
}

export function no(reason: string, message: string): Judgement {
  return { status: 'False', reason, message };
}

export function unknown(reason: string, message: string): Judgement {
  return { status: 'Unknown', reason, message };
}
