// How does an operator read who holds what? A sentence an authority, then a line for each peer that does not hold it.
import type { KindStatus } from '../broker/rotation-status.ts';
import type { RotationAnswer } from './rotation-answer.ts';

type AuthorityAnswer = KindStatus['authorities'][number];

const KIND_NAMES: Readonly<Record<KindStatus['kind'], string>> = { x509: 'X.509', jwt: 'JWT' };

export function rotationText({ now, trustDomain, kinds }: RotationAnswer): string {
  const lines = kinds.flatMap((kind) => [
    ...kind.authorities.flatMap((authority) => authorityLines(kind, authority, now)),
    ...upstreamLines(kind),
    ...kind.alarms.map(({ code, message }) => `! ${code}: ${message}`),
    '',
  ]);
  return [`${trustDomain} at ${timeText(now)}`, '', ...lines].join('\n');
}

function authorityLines(kind: KindStatus, authority: AuthorityAnswer, now: Date): readonly string[] {
  const { id, upstreamId, heldBy, missing, unobserved } = authority;
  const total = heldBy.length + missing.length + unobserved.length;
  const upstream = upstreamId === undefined ? [] : [`signed by ${shortId(upstreamId)} of the upstream`];
  const parts = [`${KIND_NAMES[kind.kind]} authority ${shortId(id)}`, ...upstream, ...lifeText(kind, authority, now)];
  const held = total === 0 ? 'no peer to hold it' : `held by ${heldBy.length} of ${total} peers`;
  return [
    `${parts.join(', ')}, ${held}`,
    ...missing.map(
      ({ trustDomain, lastSeenAt, holdsSequence }) =>
        `  ${trustDomain} does not hold it: last seen ${agoText(lastSeenAt, now)}, with ${holdsSequence === undefined ? 'no version that is known here' : `sequence ${holdsSequence}`}`,
    ),
    ...unobserved.map(({ trustDomain, safeAt }) =>
      safeAt > now
        ? `  ${trustDomain} is not observed: it will have had the time to fetch at ${timeText(safeAt)}`
        : `  ${trustDomain} is not observed: it has had the time to fetch since ${timeText(safeAt)}`,
    ),
  ];
}

function upstreamLines({ signedBy, authorities }: KindStatus): readonly string[] {
  if (signedBy === 'Self') return [];
  const [prepared, active] = (['Prepared', 'Active'] as const).map((name) =>
    authorities.find(({ state }) => state === name),
  );
  if (prepared === undefined || prepared.upstreamId === active?.upstreamId) {
    return ['  the roots are those of an UpstreamAuthority plugin: peers need nothing new when this authority rotates'];
  }
  return [
    '  the UpstreamAuthority plugin signs by another certificate than before: peers need its root before SPIRE activates this',
  ];
}

function lifeText(
  { clock }: KindStatus,
  { state, publishedAt, expiresAt }: AuthorityAnswer,
  now: Date,
): readonly string[] {
  const ends = expiresAt === undefined ? [] : [`ends ${timeText(expiresAt)}`];
  switch (state) {
    case 'Prepared':
      return [
        `prepared ${publishedAt === undefined ? 'just now' : timeText(publishedAt)}`,
        ...(clock === undefined
          ? []
          : [`active from about ${timeText(clock.activatesAt)}${leadText(clock.activatesAt, now)}`]),
      ];
    case 'Active':
      return ['active', ...ends];
    case 'Old':
      return ['old', ...ends];
  }
}

/** Enough to tell a trust domain's authorities apart. */
export function shortId(id: string): string {
  return id.length <= 12 ? id : `${id.slice(0, 12)}…`;
}

export function timeText(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}

/** For people. */
export function agoText(time: Date, now: Date): string {
  return `${spanText(Math.max(0, now.getTime() - time.getTime()))} ago`;
}

/** Nothing once it is past: SPIRE looks every ten seconds. */
function leadText(time: Date, now: Date): string {
  const leadMs = time.getTime() - now.getTime();
  return leadMs > 0 ? ` (in ${spanText(leadMs)})` : '';
}

/** In the largest unit that leaves at least two. */
function spanText(spanMs: number): string {
  const seconds = Math.round(spanMs / 1000);
  const [count, unit] =
    seconds < 120
      ? [seconds, 'second']
      : seconds < 7200
        ? [Math.floor(seconds / 60), 'minute']
        : [Math.floor(seconds / 3600), 'hour'];
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
