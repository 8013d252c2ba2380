// What do the gauges say of a rotation? Authorities are told apart by their state: their ids would be new series for ever.
import type { Metrics } from '../admin/metrics.ts';
import type { KindStatus, RotationStatus } from '../broker/rotation-status.ts';
import { ALARM_CODES } from '../rotation/alarms.ts';
import type { AuthorityReadiness } from '../rotation/readiness.ts';

const STATES: Readonly<Record<AuthorityReadiness['state'], string>> = {
  Prepared: 'prepared',
  Active: 'active',
  Old: 'old',
};

export function measureRotation(rotation: RotationStatus | undefined, now: Date, metrics: Metrics): void {
  if (rotation === undefined || 'reason' in rotation) return;
  metrics.clear('peer_holds_authority');
  for (const kind of rotation.kinds) measureKind(kind, now, metrics);
}

function measureKind({ kind, authorities, clock, alarms }: KindStatus, now: Date, metrics: Metrics): void {
  const isPrepared = authorities.some(({ state }) => state === 'Prepared');
  const leadSeconds = clock && (clock.activatesAt.getTime() - now.getTime()) / 1000;
  metrics.set('rotation_lead_seconds', { kind }, isPrepared ? leadSeconds : undefined);
  for (const reason of ALARM_CODES) {
    metrics.set('rotation_alarm', { kind, reason }, alarms.some(({ code }) => code === reason) ? 1 : 0);
  }
  for (const [state, label] of Object.entries(STATES)) {
    const { heldBy = [], missing = [] } = authorities.find((each) => each.state === state) ?? {};
    for (const [peers, value] of [[missing, 0] as const, [heldBy, 1] as const]) {
      for (const { trustDomain } of peers) {
        metrics.set('peer_holds_authority', { trust_domain: trustDomain, kind, state: label }, value);
      }
    }
  }
}
