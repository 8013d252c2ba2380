// What of a rotation that is led is written down? Each write to SPIRE: its intention on disk before it, its outcome after.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { ChangeIntended, RotationChange } from '../federation/audit-trail.ts';
import type { LocalAuthorities, LocalAuthority } from '../federation/local-authority.ts';
import type { AuthorityKind } from '../rotation/authority-times.ts';
import type { RotationPorts } from '../rotation/lead-rotation.ts';
import type { RotationRecord } from '../rotation/rotation-record.ts';
import { runRecordedOnce } from './audited.ts';
import type { Auditor, CloseEarlier } from './auditor.ts';
import { codedError } from './coded.ts';

export interface RotationAudit {
  /** Undefined: nothing is recorded. */
  readonly auditor: Auditor | undefined;
  readonly closeEarlier?: CloseEarlier | undefined;
  /** Our own: whose authority rotates. */
  readonly trustDomain: TrustDomain;
  /** Who asked for it. */
  readonly request: Pick<ChangeIntended, 'cause' | 'why' | 'by'>;
}

type RotationWrites = Pick<RotationPorts, 'authorities' | 'records'>;

export interface RecordedRotation extends RotationWrites {
  /** Done before the first write too: by then it is known that no other run is under way. Once; never rejects. */
  closeEarlier(): Promise<void>;
}

/** The same ports; a write rejects with `AuditUnwritable`, and is not made, where it must be recorded and cannot be. */
export function recordedRotation({ authorities, records }: RotationWrites, audit: RotationAudit): RecordedRotation {
  let closed: Promise<void> | undefined;
  const closeEarlier = () => (closed ??= audit.closeEarlier?.(() => foundIn(authorities)) ?? Promise.resolve());
  const write = async <T>(
    change: RotationChange,
    about: Pick<ChangeIntended, 'subject' | 'details'>,
    run: () => Promise<T>,
  ) => {
    await closeEarlier();
    const intended = { change, trustDomains: [audit.trustDomain], ...about, ...audit.request };
    return runRecordedOnce(intended, audit.auditor, run);
  };
  const recorded = (kind: AuthorityKind): LocalAuthority => {
    const authority = authorities[kind];
    const subject = (id: string) => ({ subject: `${kind} ${id}` });
    return {
      state: (signal) => authority.state(signal),
      prepare: (signal) => write('PrepareAuthority', { subject: kind }, () => authority.prepare(signal)),
      activate: (id, signal) => write('ActivateAuthority', subject(id), () => authority.activate(id, signal)),
      taint: (id, signal) => write('TaintAuthority', subject(id), () => authority.taint(id, signal)),
      revoke: (id, signal) => write('RevokeAuthority', subject(id), () => authority.revoke(id, signal)),
    };
  };
  let before: RotationRecord | undefined;
  return {
    closeEarlier,
    authorities: { x509: recorded('x509'), jwt: recorded('jwt') },
    records: {
      async read(signal) {
        const record = await records.read(signal);
        // One that somebody deleted is written again, which begins nothing.
        before = record ?? before;
        return record;
      },
      write: (record, signal) => write(noted(record, before), aboutRecord(record), () => records.write(record, signal)),
      forget: (signal) =>
        write('ForgetRotation', before === undefined ? {} : aboutRecord(before), () => records.forget(signal)),
    },
  };
}

/** Whether what was intended has come true can be read from it; whose doing it was, cannot: SPIRE's clock goes on. */
async function foundIn(authorities: LocalAuthorities): Promise<string> {
  try {
    const states = await Promise.all((['x509', 'jwt'] as const).map((kind) => slotsOf(kind, authorities[kind])));
    return states.join('; ');
  } catch (error) {
    return `SPIRE could not be asked: ${codedError(error).code}`;
  }
}

async function slotsOf(kind: AuthorityKind, authority: LocalAuthority): Promise<string> {
  const { active, prepared, old } = await authority.state();
  const slots = Object.entries({ active, prepared, old });
  return `${kind} ${slots.map(([name, slot]) => `${name} ${slot?.id ?? 'none'}`).join(', ')}`;
}

function noted(record: RotationRecord, before: RotationRecord | undefined): RotationChange {
  if (before?.startedAt.getTime() !== record.startedAt.getTime()) return 'BeginRotation';
  return record.endedAt === undefined ? 'NoteRotation' : 'EndRotation';
}

function aboutRecord(record: RotationRecord): Required<Pick<ChangeIntended, 'subject' | 'details'>> {
  const { kind, from, to, startedAt, taintOld, revokeOld, activatedAt, taintedAt, endedAt } = record;
  const details = Object.entries({ startedAt, activatedAt, taintedAt, endedAt }).flatMap(([name, at]) =>
    at === undefined ? [] : [[name, at.toISOString()]],
  );
  return {
    subject: `${kind} ${from} → ${to ?? 'the next'}`,
    details: { taintOld, revokeOld, ...Object.fromEntries(details) },
  };
}
