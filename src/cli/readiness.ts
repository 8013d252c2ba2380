// Can this broker do its work now? Judged from its status and its endpoint, for /readyz.
import type { Check } from '../admin/admin-app.ts';
import type { LiveStatus } from '../broker/status.ts';
import type { OwnEndpoint } from './own-endpoint.ts';

/** After this long without an answer of SPIRE the broker says that it is not ready. */
const OWN_BUNDLE_STALE_SECONDS = 60;

/** Ready: our endpoint can serve, and SPIRE answered lately. A peer that is down is no reason to be taken out. */
export function readiness(status: LiveStatus, endpoint: OwnEndpoint, servesSpiffe: boolean): Check[] {
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

function ageSeconds({ now }: LiveStatus, at: string): number {
  return (Date.parse(now) - Date.parse(at)) / 1000;
}
