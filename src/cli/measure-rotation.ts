// What do the gauges say of a rotation? Authorities are told apart by their state: their ids would be new series for ever.
import type { Measured } from '../admin/metrics.ts';
import type { KindStatus, RotationStatus } from '../broker/rotation-status.ts';
import { ALARM_CODES } from '../rotation/alarms.ts';
import type { AuthorityReadiness } from '../rotation/readiness.ts';

const STATES: Readonly<Record<AuthorityReadiness['state'], string>> = {
  Prepared: 'prepared',
  Active: 'active',
  Old: 'old',
};

/** A peer that does not tell what it holds has no series, and no lead is told where nothing is prepared. */
export function measureRotation(
  rotation: RotationStatus | undefined,
  now: Date,
): Pick<Measured, 'peer_holds_authority' | 'rotation_lead_seconds' | 'rotation_alarm'> {
  if (rotation === undefined || 'reason' in rotation) return {};
  const { kinds } = rotation;
  return {
    peer_holds_authority: kinds.flatMap(holdings),
    rotation_lead_seconds: kinds.flatMap(({ kind, authorities, clock }) => {
      const isPrepared = authorities.some(({ state }) => state === 'Prepared');
      if (!isPrepared || clock === undefined) return [];
      return [{ labels: { kind }, value: (clock.activatesAt.getTime() - now.getTime()) / 1000 }];
    }),
    rotation_alarm: kinds.flatMap(({ kind, alarms }) =>
      ALARM_CODES.map((reason) => ({
        labels: { kind, reason },
        value: alarms.some(({ code }) => code === reason) ? 1 : 0,
      })),
    ),
  };
}

function holdings({ kind, authorities }: KindStatus): NonNullable<Measured['peer_holds_authority']> {
  return authorities.flatMap(({ state, missing, heldBy }) =>
    [[missing, 0] as const, [heldBy, 1] as const].flatMap(([peers, value]) =>
      peers.map(({ trustDomain }) => ({ labels: { trust_domain: trustDomain, kind, state: STATES[state] }, value })),
    ),
  );
}
