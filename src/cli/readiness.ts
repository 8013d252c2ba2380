// Can this broker do its work now? Judged from its status and its endpoint, for /readyz and for gauges.
import type { Check } from '../admin/admin-app.ts';
import type { Metrics } from '../admin/metrics.ts';
import type { BrokerStatus } from '../broker/status.ts';
import type { OwnEndpoint } from './own-endpoint.ts';

/** After this long without an answer of SPIRE the broker says that it is not ready. */
const OWN_BUNDLE_STALE_SECONDS = 60;

/** Ready: our endpoint can serve, and SPIRE answered lately. A peer that is down is no reason to be taken out. */
export function readiness(status: BrokerStatus, endpoint: OwnEndpoint, servesSpiffe: boolean): Check[] {
  const read = 'readAt' in status.ownBundle ? ageSeconds(status, status.ownBundle.readAt) : undefined;
  const checks: Check[] = [
    {
      name: 'own bundle',
      ok: read !== undefined && read <= OWN_BUNDLE_STALE_SECONDS,
      ageSeconds: read,
      ...('message' in status.ownBundle && { message: status.ownBundle.message }),
    },
    ...status.unreadable.map(({ fact, message }) => ({ name: fact, ok: false, ageSeconds: undefined, message })),
  ];
  const svid = endpoint.servingSvid();
  if (!servesSpiffe) return checks;
  return [
    ...checks,
    { name: 'serving SVID', ok: svid !== undefined && svid.notAfter > new Date(), ageSeconds: undefined },
  ];
}

function ageSeconds({ now }: BrokerStatus, at: string): number {
  return (Date.parse(now) - Date.parse(at)) / 1000;
}

/** What changes without a pass. */
export function measureNow({ ownBundle }: BrokerStatus, endpoint: OwnEndpoint, metrics: Metrics): void {
  metrics.set('waiting_requests', {}, endpoint.publication.waiting);
  metrics.set('serving_svid_expiry_timestamp_seconds', {}, endpoint.servingSvid()?.notAfter);
  metrics.set('own_bundle_read_timestamp_seconds', {}, 'readAt' in ownBundle ? new Date(ownBundle.readAt) : undefined);
}
