// Can this broker serve our bundle? Judged for /readyz, by which Kubernetes sends it the peers that fetch.
import type { Check } from '../admin/admin-app.ts';
import type { LiveStatus } from '../broker/status.ts';
import type { OwnEndpoint } from './own-endpoint.ts';

/** A restart of SPIRE is shorter: it takes no replica out. */
const MIN_STALE_AFTER_SECONDS = 60;

export interface ReadinessInput {
  readonly status: Pick<LiveStatus, 'now' | 'ownBundle' | 'audit'>;
  readonly endpoint: Pick<OwnEndpoint, 'addresses' | 'servingSvid' | 'hasWebIdentity'>;
  readonly refreshHintSeconds: number;
}

/**
 * One check for all that serving needs. A bundle is fresh for as long as a peer may keep it before it asks again. What
 * cannot be read beside it is told by /status and the conditions: with another replica it would be no better.
 */
export function readiness({ status, endpoint, refreshHintSeconds }: ReadinessInput): readonly Check[] {
  const staleAfterSeconds = Math.max(MIN_STALE_AFTER_SECONDS, refreshHintSeconds);
  return [
    ownBundleCheck(status, staleAfterSeconds),
    ...servingSvidCheck(endpoint, new Date(status.now)),
    ...webCertificateCheck(endpoint),
    ...auditCheck(status),
  ];
}

function ownBundleCheck({ ownBundle, now }: ReadinessInput['status'], staleAfterSeconds: number): Check {
  const name = 'own bundle';
  if (!('readAt' in ownBundle)) return { name, ok: false, ageSeconds: undefined, message: ownBundle.message };
  const ageSeconds = (Date.parse(now) - Date.parse(ownBundle.readAt)) / 1000;
  if (ageSeconds <= staleAfterSeconds) return { name, ok: true, ageSeconds };
  const message = `SPIRE Server has not answered for more than ${staleAfterSeconds} seconds: the bundle that is served may be an old one`;
  return { name, ok: false, ageSeconds, message };
}

function servingSvidCheck({ addresses, servingSvid }: ReadinessInput['endpoint'], now: Date): readonly Check[] {
  if (addresses.https_spiffe === undefined) return [];
  const notAfter = servingSvid()?.notAfter;
  const ok = notAfter !== undefined && notAfter > now;
  const message =
    notAfter === undefined
      ? 'SPIRE Server has minted none yet'
      : `it expired at ${notAfter.toISOString()}, and SPIRE Server has minted no other; see the log`;
  return [{ name: 'serving SVID', ok, ageSeconds: undefined, ...(!ok && { message }) }];
}

/** Told of and never failed: peers must get our bundle also while the disk is full. */
function auditCheck({ audit }: ReadinessInput['status']): readonly Check[] {
  if (audit?.unwritable === undefined) return [];
  const { reason, message } = audit.unwritable;
  const consequence = audit.required ? 'changes of trust are not made' : `${audit.lost} changes were not recorded`;
  return [{ name: 'audit', ok: true, ageSeconds: undefined, message: `${reason}: ${consequence}: ${message}` }];
}

function webCertificateCheck({ hasWebIdentity }: ReadinessInput['endpoint']): readonly Check[] {
  const has = hasWebIdentity();
  if (has === undefined) return [];
  const message = 'the files of https_web hold no certificate and key that belong together; see the log';
  return [{ name: 'web certificate', ok: has, ageSeconds: undefined, ...(!has && { message }) }];
}
