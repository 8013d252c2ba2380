// What do the gauges say at this moment? They are set when they are asked for: between two scrapes nobody sees them.
import type { Metrics } from '../admin/metrics.ts';
import type { PeerStatus } from '../broker/peer-status.ts';
import type { OwnEndpoint } from './own-endpoint.ts';
import { measureRotation } from './measure-rotation.ts';
import type { Replica } from './replica.ts';

type Measured = Pick<Replica, 'status' | 'declarationFaults'>;

export function measure({ status, declarationFaults }: Measured, endpoint: OwnEndpoint, metrics: Metrics): void {
  const { ownBundle, peers, audit, rotation, now } = status();
  metrics.set('waiting_requests', {}, endpoint.publication.waiting);
  metrics.set('serving_svid_expiry_timestamp_seconds', {}, endpoint.servingSvid()?.notAfter);
  metrics.set('own_bundle_read_timestamp_seconds', {}, 'readAt' in ownBundle ? new Date(ownBundle.readAt) : undefined);
  metrics.set('declaration_faults', {}, declarationFaults()?.length);
  metrics.set('audit_unwritable', {}, audit && (audit.unwritable === undefined ? 0 : 1));
  metrics.set('audit_lost_records', {}, audit?.lost);
  metrics.set('audit_head_record', {}, audit?.head?.record);
  measureRotation(rotation, new Date(now), metrics);
  metrics.clear('peer_in_mesh');
  let count = 0;
  for (const peer of peers) {
    count++;
    measurePeer(peer, metrics);
  }
  metrics.set('peers_declared', {}, count);
  if (count === 0) metrics.forgetMeasuredPeers();
}

function inMesh(conditions: PeerStatus['conditions']): 0 | 1 | undefined {
  const injected = conditions.find(({ type }) => type === 'MeshInjected');
  if (injected === undefined || injected.reason === 'NotAsked' || injected.status === 'Unknown') return undefined;
  return injected.status === 'True' ? 1 : 0;
}

function measurePeer(peer: PeerStatus, metrics: Metrics): void {
  const { conditions, entriesFederated, bundle, lastSuccess } = peer;
  const labels = { trust_domain: peer.trustDomain };
  const isTrue = (type: string) =>
    conditions.some((condition) => condition.type === type && condition.status === 'True');
  metrics.set('peer_ready', labels, isTrue('Ready') ? 1 : 0);
  metrics.set('conflict', labels, isTrue('SingleWriter') ? 0 : 1);
  const mesh = inMesh(conditions);
  if (mesh !== undefined) metrics.set('peer_in_mesh', labels, mesh);
  metrics.set('entries_federated', labels, entriesFederated);
  metrics.set('last_success_timestamp_seconds', labels, lastSuccess === undefined ? undefined : new Date(lastSuccess));
  metrics.set('bundle_roots', labels, bundle?.roots.length);
  metrics.set('bundle_sequence', labels, bundle?.sequence === undefined ? undefined : BigInt(bundle.sequence));
  const expiries = (bundle?.roots ?? []).map(({ notAfter }) => Date.parse(notAfter));
  metrics.set(
    'root_expiry_timestamp_seconds',
    labels,
    expiries.length === 0 ? undefined : new Date(Math.min(...expiries)),
  );
}
