// Which rotation will hurt, or hurts already? One row a danger, judged from who holds what and SPIRE's clock.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { FOLLOWED_UNSEEN_AFTER, type SpireClock } from './authority-times.ts';
import { ADVANCE, type AuthorityReadiness, type KindReadiness } from './readiness.ts';

/** Closed: each is also the label of a metric and the reason in the log. */
export const ALARM_CODES = ['ActiveNotHeld', 'ActivatesUnheld', 'SafeMomentTooLate', 'FollowedUnseen'] as const;
export type RotationAlarmCode = (typeof ALARM_CODES)[number];

export interface RotationAlarm {
  readonly code: RotationAlarmCode;
  /** Of the authority. */
  readonly id: string;
  readonly trustDomains: readonly TrustDomain[];
  readonly message: string;
}

interface Judged {
  readonly kind: KindReadiness['kind'];
  readonly authority: AuthorityReadiness;
  readonly clock: SpireClock | undefined;
  readonly now: Date;
  readonly refreshHintSeconds: number;
}

interface Danger {
  readonly code: RotationAlarmCode;
  readonly of: AuthorityReadiness['state'];
  /** Whom it concerns; undefined: it is not so. */
  readonly concerns: (judged: Judged) => readonly TrustDomain[] | undefined;
  readonly message: (judged: Judged, names: string) => string;
}

const DANGERS: readonly Danger[] = [
  {
    code: 'ActiveNotHeld',
    of: 'Active',
    concerns: ({ authority }) => some(namesOf(authority.missing)),
    message: ({ authority }, names) =>
      `${names} cannot verify what authority ${authority.id} signs, and it signs: see why the bundle does not get there`,
  },
  {
    code: 'ActivatesUnheld',
    of: 'Prepared',
    concerns: ({ authority, clock, now, refreshHintSeconds }) => {
      const { publishedAt, missing } = authority;
      if (publishedAt === undefined) return undefined;
      const leastMs = publishedAt.getTime() + ADVANCE.least * refreshHintSeconds * 1000;
      // With an UpstreamAuthority plugin nobody says when SPIRE activates it.
      const midMs = clock === undefined ? Infinity : (publishedAt.getTime() + clock.activatesAt.getTime()) / 2;
      return now.getTime() < Math.min(leastMs, midMs) ? undefined : some(namesOf(missing));
    },
    message: ({ authority, clock }, names) =>
      `SPIRE activates authority ${authority.id} at ${timeText(clock?.activatesAt)} by its clock, and ${names} does not hold it: see why the bundle does not get there`,
  },
  {
    code: 'SafeMomentTooLate',
    of: 'Prepared',
    concerns: ({ authority, clock, refreshHintSeconds }) => {
      const { publishedAt, unobserved } = authority;
      if (clock === undefined || publishedAt === undefined) return undefined;
      const leastMs = publishedAt.getTime() + ADVANCE.least * refreshHintSeconds * 1000;
      return leastMs <= clock.activatesAt.getTime() ? undefined : some(namesOf(unobserved));
    },
    message: ({ authority, clock }, names) =>
      `SPIRE activates authority ${authority.id} at ${timeText(clock?.activatesAt)} by its clock, sooner than three refresh hints after it was published, and what ${names} holds is not observed: make ca_ttl longer or refreshHintSeconds shorter`,
  },
  {
    code: 'FollowedUnseen',
    of: 'Prepared',
    concerns: ({ authority, clock }) => {
      if (clock === undefined || authority.publishedAt === undefined) return undefined;
      const ageMs = clock.activatesAt.getTime() - authority.publishedAt.getTime();
      return ageMs >= FOLLOWED_UNSEEN_AFTER * clock.lifeSeconds * 1000 ? [] : undefined;
    },
    message: ({ authority, clock }) =>
      `authority ${authority.id} was prepared so early that it has under a sixth of its life left when SPIRE activates it at ${timeText(clock?.activatesAt)}: SPIRE then prepares and activates another at once, which no peer has seen; activate it earlier, by "fedbroker rotate"`,
  },
];

export function rotationAlarms(
  { kind, authorities, clock }: KindReadiness,
  now: Date,
  refreshHintSeconds: number,
): readonly RotationAlarm[] {
  return authorities.flatMap((authority) => {
    const judged = { kind, authority, clock, now, refreshHintSeconds };
    return DANGERS.filter(({ of }) => of === authority.state).flatMap(({ code, concerns, message }) => {
      const trustDomains = concerns(judged);
      if (trustDomains === undefined) return [];
      return [{ code, id: authority.id, trustDomains, message: message(judged, trustDomains.join(', ')) }];
    });
  });
}

function namesOf(peers: readonly { readonly trustDomain: TrustDomain }[]): readonly TrustDomain[] {
  return peers.map(({ trustDomain }) => trustDomain);
}

function some(names: readonly TrustDomain[]): readonly TrustDomain[] | undefined {
  return names.length === 0 ? undefined : names;
}

function timeText(time: Date | undefined): string {
  return time?.toISOString() ?? 'a time that is not known';
}
