// May a change be made, when it is to be recorded first? The trail, the policy for when it fails, and what was lost.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { AuditedPeer, AuditEvent, AuditHead, AuditTrail, ChangeEnded } from '../federation/audit-trail.ts';
import type { Clock } from '../federation/clock.ts';
import type { CodedError } from '../federation/ports.ts';
import { codedError } from './coded.ts';

export interface AuditorParts {
  readonly trail: AuditTrail;
  /** A change that cannot be recorded is not made. */
  readonly isRequired: boolean;
  readonly clock: Clock;
  readonly onRecorded?: (events: readonly AuditEvent[]) => void;
  /** Each attempt that failed. */
  readonly onFailure?: (error: CodedError) => void;
  /** It can be written again. */
  readonly onMended?: () => void;
}

export interface AuditStatus {
  readonly file: string;
  readonly required: boolean;
  readonly head?: AuditHead;
  /** Set while nothing can be recorded. */
  readonly unwritable?: { readonly reason: string; readonly message: string; readonly since: string };
  /** Changes that were made and could not be recorded; recorded as a gap when it can be written again. */
  readonly lost: number;
}

/** Either where the intentions stand, or why the change must not be made. */
export type Intended =
  { readonly refusal: undefined; readonly records: readonly (number | undefined)[] } | { readonly refusal: CodedError };

/**
 * Records the outcome of changes that an earlier life of this writer was killed in as not known, with what is found now:
 * `found` is asked, and only when there are any, of the trust domains they are about. Never rejects.
 */
export type CloseEarlier = (found: (trustDomains: readonly TrustDomain[]) => Promise<string>) => Promise<void>;

export class Auditor {
  readonly #parts: AuditorParts;
  #unwritable: { readonly error: CodedError; readonly since: Date } | undefined;
  #lost: { readonly count: number; readonly since: Date; readonly reason: string } | undefined;

  /** Before the trail was read nobody knows what it says. */
  #isRead = false;

  constructor(parts: AuditorParts) {
    this.#parts = parts;
  }

  peer(trustDomain: TrustDomain): AuditedPeer | undefined {
    return this.#parts.trail.peer(trustDomain);
  }

  peers(): Iterable<AuditedPeer> {
    return this.#parts.trail.peers();
  }

  status(): AuditStatus {
    const { trail, isRequired: required } = this.#parts;
    const { error, since } = this.#unwritable ?? {};
    return {
      file: trail.place,
      required,
      ...(trail.head !== undefined && { head: trail.head }),
      ...(error !== undefined &&
        since !== undefined && {
          unwritable: { reason: error.code, message: error.message, since: since.toISOString() },
        }),
      lost: this.#lost?.count ?? 0,
    };
  }

  /**
   * What is seen rather than done: `find` compares it with the trail, which is read first, and finds it again when it
   * could not be recorded. Never rejects.
   */
  async note(find: () => readonly AuditEvent[]): Promise<void> {
    if (!this.#isRead) await this.attend(() => this.#parts.trail.look());
    if (!this.#isRead) return;
    const events = find();
    if (events.length > 0) await this.#append(events);
  }

  /** To be called before a change is made, with each part of it. Never rejects. */
  async intend(events: readonly AuditEvent[]): Promise<Intended> {
    const result = await this.#append(events);
    if (!(result instanceof Error)) return { refusal: undefined, records: result.map(({ record }) => record) };
    if (this.#parts.isRequired) return { refusal: new AuditRefusal(result) };
    this.#lose(events.length, result);
    return { refusal: undefined, records: events.map(() => undefined) };
  }

  /** What is no longer to be undone is lost when it cannot be recorded. Never rejects. */
  async end(events: readonly ChangeEnded[]): Promise<void> {
    if (events.length === 0) return;
    const result = await this.#append(events);
    if (result instanceof Error) this.#lose(events.length, result);
  }

  /** For what else is done with the trail; its failure is a failure to record. Never rejects. */
  async attend(task: () => Promise<void>): Promise<void> {
    await this.#attempt(task);
  }

  /** For a timer: does nothing as long as all could be recorded. Never rejects. */
  async mend(): Promise<void> {
    if (this.#lost !== undefined) await this.#append([]);
    else if (this.#unwritable !== undefined) await this.attend(() => this.#parts.trail.look());
  }

  async #append(events: readonly AuditEvent[]): Promise<readonly AuditHead[] | CodedError> {
    const lost = this.#lost;
    const { trail, onRecorded } = this.#parts;
    const gap: readonly AuditEvent[] =
      lost === undefined
        ? []
        : [{ kind: 'RecordsLost', trustDomains: [], ...lost, since: lost.since.toISOString() } as const];
    const result = await this.#attempt(() => trail.append([...gap, ...events]));
    if (result instanceof Error) return result;
    if (this.#lost === lost) this.#lost = undefined;
    onRecorded?.([...gap, ...events]);
    return result.slice(gap.length);
  }

  async #attempt<T>(task: () => Promise<T>): Promise<T | CodedError> {
    const { clock, onFailure, onMended } = this.#parts;
    try {
      const result = await task();
      this.#isRead = true;
      if (this.#unwritable !== undefined) onMended?.();
      this.#unwritable = undefined;
      return result;
    } catch (failure) {
      const error = codedError(failure);
      this.#unwritable = { error, since: this.#unwritable?.since ?? clock.now() };
      onFailure?.(error);
      return error;
    }
  }

  #lose(count: number, { message: reason }: CodedError): void {
    const { count: before = 0, since = this.#parts.clock.now() } = this.#lost ?? {};
    this.#lost = { count: before + count, since, reason };
  }
}

class AuditRefusal extends Error implements CodedError {
  readonly code = 'AuditUnwritable';

  constructor(cause: CodedError) {
    super(`not done, as it cannot be recorded and auditRequired is on (${cause.code}): ${cause.message}`, { cause });
  }
}
