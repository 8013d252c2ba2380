// What must a rotation that was interrupted know to go on? (kept in SPIRE itself, written before the first change)
import type { AuthorityKind } from './authority-times.ts';

export interface RotationRecord {
  readonly kind: AuthorityKind;
  /** Of the process that is to prepare: only that one may do so at once. */
  readonly run: string;
  readonly startedAt: Date;
  /** Written before an authority is asked for: until that call has certainly ended, none is asked for again. */
  readonly askedAt: Date;
  /** What signed when it began. */
  readonly from: string;
  /** What is to sign; undefined until it was prepared. */
  readonly to: string | undefined;
  readonly taintOld: boolean;
  readonly revokeOld: boolean;
  /** When it was found that `to` signs. */
  readonly activatedAt: Date | undefined;
  /** The latest end of an agent's SVID at that moment: any that ends later was signed by `to`. */
  readonly agentsUntil: Date | undefined;
  /** When it was found that `from` is tainted. */
  readonly taintedAt: Date | undefined;
  /** When everything that was asked for was done. It stays, so that a run whose last answer was lost is not led twice. */
  readonly endedAt: Date | undefined;
}

/** Where the record of this trust domain is kept: one, so that only one rotation at a time is led. */
export interface RotationRecords {
  /** Undefined when none was led, or it was forgotten. */
  read(signal?: AbortSignal): Promise<RotationRecord | undefined>;
  write(record: RotationRecord, signal?: AbortSignal): Promise<void>;
  forget(signal?: AbortSignal): Promise<void>;
}

/** As `name=value` texts, each of fewer than 255 characters. */
export function recordTexts(record: RotationRecord): readonly string[] {
  const fields: Readonly<Record<keyof RotationRecord, string | undefined>> = {
    kind: record.kind,
    run: record.run,
    startedAt: record.startedAt.toISOString(),
    askedAt: record.askedAt.toISOString(),
    from: record.from,
    to: record.to,
    taintOld: String(record.taintOld),
    revokeOld: String(record.revokeOld),
    activatedAt: record.activatedAt?.toISOString(),
    agentsUntil: record.agentsUntil?.toISOString(),
    taintedAt: record.taintedAt?.toISOString(),
    endedAt: record.endedAt?.toISOString(),
  };
  return Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
}

/** Undefined when the texts are no record: somebody else wrote there. */
export function readRecordTexts(texts: readonly string[]): RotationRecord | undefined {
  const fields = new Map(
    texts.map((text) => {
      const end = text.indexOf('=');
      return [text.slice(0, end), text.slice(end + 1)] as const;
    }),
  );
  const [kind, run, from] = [fields.get('kind'), fields.get('run'), fields.get('from')];
  const startedAt = dateOf(fields.get('startedAt'));
  if ((kind !== 'x509' && kind !== 'jwt') || run === undefined || from === undefined || startedAt === undefined) {
    return undefined;
  }
  return {
    ...{ kind, run, startedAt, from },
    askedAt: dateOf(fields.get('askedAt')) ?? startedAt,
    to: fields.get('to'),
    taintOld: fields.get('taintOld') === 'true',
    revokeOld: fields.get('revokeOld') === 'true',
    activatedAt: dateOf(fields.get('activatedAt')),
    agentsUntil: dateOf(fields.get('agentsUntil')),
    taintedAt: dateOf(fields.get('taintedAt')),
    endedAt: dateOf(fields.get('endedAt')),
  };
}

function dateOf(text: string | undefined): Date | undefined {
  const date = new Date(text ?? '');
  return Number.isNaN(date.getTime()) ? undefined : date;
}
