// What should an operator not forget about a peer? Roots that end without a successor, and content that waits for a word.
import { readableCertificate } from '../bundle/certificate.ts';
import type { Bundle } from '../bundle/bundle.ts';
import type { Evidence, EvidenceState } from './evidence.ts';

export interface Reminder {
  readonly id: 'RootsExpire' | 'HeldContentWaits';
  readonly message: string;
}

/** SPIRE has made the successor long before: it prepares one at half of a CA's life and signs with it at 5/6. */
const LAST_SHARE_OF_LIFE = 1 / 6;
const HELD_FOR_LONG_MS = 3600_000;

export interface ReminderInput {
  readonly name: string;
  /** What SPIRE holds. */
  readonly held: Bundle | undefined;
  readonly evidence: readonly (Pick<Evidence, 'verdict' | 'reason' | 'firstSeenAt'> & {
    readonly state: EvidenceState;
  })[];
  readonly now: Date;
}

export function remindersOf({ name, held, evidence, now }: ReminderInput): readonly Reminder[] {
  const reminders: Reminder[] = [];
  const last = held === undefined ? undefined : lastToExpire(held);
  if (last !== undefined && now.getTime() >= lastShareBegins(last)) {
    const message = `the last of its roots expires at ${last.notAfter.toISOString()} and no successor is held: see "fedbroker inspect ${name}"`;
    reminders.push({ id: 'RootsExpire', message });
  }
  const waiting = evidence.find(
    ({ state, verdict, firstSeenAt }) =>
      state === 'Current' && verdict === 'held' && now.getTime() - firstSeenAt.getTime() >= HELD_FOR_LONG_MS,
  );
  if (waiting !== undefined) {
    const message = `content is held (${waiting.reason}) since ${waiting.firstSeenAt.toISOString()} and waits for release or reject: see "fedbroker inspect ${name}"`;
    reminders.push({ id: 'HeldContentWaits', message });
  }
  return reminders;
}

interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

function lastToExpire({ x509Authorities }: Bundle): Validity | undefined {
  const certificates = x509Authorities.flatMap((der) => readableCertificate(der) ?? []);
  return certificates.reduce<Validity | undefined>(
    (last, each) => (last === undefined || each.notAfter > last.notAfter ? each : last),
    undefined,
  );
}

function lastShareBegins({ notBefore, notAfter }: Validity): number {
  return notAfter.getTime() - LAST_SHARE_OF_LIFE * (notAfter.getTime() - notBefore.getTime());
}
