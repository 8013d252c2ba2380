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
  for (const kind of rotation.kinds) measureKind(kind, now, metrics);
}

function measureKind({ kind, authorities, clock, alarms }: KindStatus, now: Date, metrics: Metrics): void {
  const isPrepared = authorities.some(({ state }) => state === 'Prepared');
  const leadSeconds = clock && (clock.activatesAt.getTime() - now.getTime()) / 1000;
  metrics.set('rotation_lead_seconds', { kind }, isPrepared ? leadSeconds : undefined);
  for (const reason of ALARM_CODES) {
    metrics.set('rotation_alarm', { kind, reason }, alarms.some(({ code }) => code === reason) ? 1 : 0);
  }
  const lists = authorities.flatMap(({ heldBy, missing, unobserved }) => [...heldBy, ...missing, ...unobserved]);
  const peers = new Set(lists.map(({ trustDomain }) => trustDomain));
  for (const [state, label] of Object.entries(STATES)) {
    const { heldBy = [], missing = [] } = authorities.find((each) => each.state === state) ?? {};
    const values = new Map<string, 0 | 1>();
    for (const { trustDomain } of missing) values.set(trustDomain, 0);
    for (const { trustDomain } of heldBy) values.set(trustDomain, 1);
    for (const trust_domain of peers) {
      metrics.set('peer_holds_authority', { trust_domain, kind, state: label }, values.get(trust_domain));
    }
  }
}
