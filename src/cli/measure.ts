// What do the gauges say at this moment? They are measured when they are asked for: between two scrapes nobody sees them.
import type { Measured, Metrics } from '../admin/metrics.ts';
import { measurePeers } from './measure-peers.ts';
import { measureRotation } from './measure-rotation.ts';
import type { OwnEndpoint } from './own-endpoint.ts';
import type { Replica } from './replica.ts';

/** Sets the gauges without labels, and gives all series of the others. */
export function measure(
  { status, declarationFaults }: Pick<Replica, 'status' | 'declarationFaults'>,
  endpoint: OwnEndpoint,
  metrics: Metrics,
): Measured {
  const { ownBundle, peers, audit, rotation, now } = status();
  metrics.set('waiting_requests', endpoint.publication.waiting);
  metrics.set('serving_svid_expiry_timestamp_seconds', endpoint.servingSvid()?.notAfter);
  metrics.set('own_bundle_read_timestamp_seconds', 'readAt' in ownBundle ? new Date(ownBundle.readAt) : undefined);
  metrics.set('declaration_faults', declarationFaults()?.length);
  metrics.set('audit_unwritable', audit && (audit.unwritable === undefined ? 0 : 1));
  metrics.set('audit_lost_records', audit?.lost);
  metrics.set('audit_head_record', audit?.head?.record);
  const measured = measurePeers(peers);
  metrics.set('peers_declared', measured.peer_ready.size);
  return { ...measured, ...measureRotation(rotation, new Date(now)) };
}
