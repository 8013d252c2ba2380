// What do the gauges say of each peer? One row a gauge.
import type { GaugeValue } from '../admin/metric-text.ts';
import type { Measured } from '../admin/metrics.ts';
import { Series } from '../admin/series.ts';
import type { PeerStanding } from '../broker/peer-standing.ts';
import type { LivePeer } from '../broker/status.ts';
import { summarizeRoot } from '../bundle/certificate.ts';
import type { Condition } from '../federation/conditions.ts';

type Conditions = PeerStanding['conditions'];

/** Undefined: the peer has no such series. */
type PeerGauge = (standing: PeerStanding) => GaugeValue | undefined;

const GAUGES = {
  last_success_timestamp_seconds: ({ fetch }) => fetch?.lastSuccessAt,
  bundle_sequence: ({ held }) => held?.sequenceNumber,
  bundle_roots: ({ held }) => held?.x509Authorities.length,
  root_expiry_timestamp_seconds: ({ held }) =>
    held?.x509Authorities.map((der) => summarizeRoot(der).notAfter).reduce(earlier, undefined),
  conflict: ({ conditions }) => (isTrue(conditions, 'SingleWriter') ? 0 : 1),
  peer_ready: ({ conditions }) => (isTrue(conditions, 'Ready') ? 1 : 0),
  peer_in_mesh: ({ conditions }) => inMesh(conditions),
  entries_federated: ({ entriesFederated }) => entriesFederated,
} as const satisfies { readonly [Name in keyof Measured]?: PeerGauge };

type PeerGauges = Readonly<Record<keyof typeof GAUGES, Series<'trust_domain'>>>;

export function measurePeers(peers: Iterable<Pick<LivePeer, 'standing'>>): PeerGauges {
  const rows = Object.entries<PeerGauge>(GAUGES).map(
    ([name, gauge]) => ({ name, gauge, series: new Series<'trust_domain'>() }) as const,
  );
  for (const { standing } of peers) {
    const labels = { trust_domain: standing.plan.peer.trustDomain };
    for (const { gauge, series } of rows) {
      const value = gauge(standing);
      if (value !== undefined) series.add(labels, value);
    }
  }
  return Object.fromEntries(rows.map(({ name, series }) => [name, series])) as PeerGauges;
}

function isTrue(conditions: Conditions, type: Condition['type']): boolean {
  return conditions.some((condition) => condition.type === type && condition.status === 'True');
}

function inMesh(conditions: Conditions): 0 | 1 | undefined {
  const injected = conditions.find(({ type }) => type === 'MeshInjected');
  if (injected === undefined || injected.reason === 'NotAsked' || injected.status === 'Unknown') return undefined;
  return injected.status === 'True' ? 1 : 0;
}

function earlier(one: Date | undefined, other: Date): Date {
  return one === undefined || other < one ? other : one;
}
