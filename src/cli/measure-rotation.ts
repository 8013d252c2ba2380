// What do the gauges say of a rotation? Authorities are told apart by their state: their ids would be new series for ever.
import type { Measured } from '../admin/metrics.ts';
import { Series } from '../admin/series.ts';
import type { KindStatus, RotationStatus } from '../broker/rotation-status.ts';
import { ALARM_CODES } from '../rotation/alarms.ts';
import type { AuthorityReadiness } from '../rotation/readiness.ts';

const STATES: Readonly<Record<AuthorityReadiness['state'], string>> = {
  Prepared: 'prepared',
  Active: 'active',
  Old: 'old',
};

type RotationGauges = Pick<Measured, 'peer_holds_authority' | 'rotation_lead_seconds' | 'rotation_alarm'>;

/** A peer that does not tell what it holds has no series, and no lead is told where nothing is prepared. */
export function measureRotation(rotation: RotationStatus | undefined, now: Date): RotationGauges {
  if (rotation === undefined || 'reason' in rotation) return {};
  const { kinds } = rotation;
  return {
    peer_holds_authority: holdings(kinds),
    rotation_lead_seconds: leads(kinds, now),
    rotation_alarm: raised(kinds),
  };
}

function holdings(kinds: readonly KindStatus[]): Series<'trust_domain' | 'kind' | 'state'> {
  const series = new Series<'trust_domain' | 'kind' | 'state'>();
  for (const { kind, authorities } of kinds) {
    for (const { state, missing, heldBy } of authorities) {
      const rest = { kind, state: STATES[state] };
      for (const { trustDomain } of missing) series.add({ trust_domain: trustDomain, ...rest }, 0);
      for (const { trustDomain } of heldBy) series.add({ trust_domain: trustDomain, ...rest }, 1);
    }
  }
  return series;
}

function leads(kinds: readonly KindStatus[], now: Date): Series<'kind'> {
  const series = new Series<'kind'>();
  for (const { kind, authorities, clock } of kinds) {
    const isPrepared = authorities.some(({ state }) => state === 'Prepared');
    if (isPrepared && clock !== undefined) series.add({ kind }, (clock.activatesAt.getTime() - now.getTime()) / 1000);
  }
  return series;
}

function raised(kinds: readonly KindStatus[]): Series<'kind' | 'reason'> {
  const series = new Series<'kind' | 'reason'>();
  for (const { kind, alarms } of kinds) {
    for (const reason of ALARM_CODES) series.add({ kind, reason }, alarms.some(({ code }) => code === reason) ? 1 : 0);
  }
  return series;
}
