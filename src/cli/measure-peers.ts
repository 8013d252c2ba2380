// What do the gauges say of each peer? One row a gauge.
import type { Measured } from '../admin/metrics.ts';
import type { Sample } from '../admin/gauge-text.ts';
import type { PeerStanding } from '../broker/peer-standing.ts';
import type { LivePeer } from '../broker/status.ts';
import { summarizeRoot } from '../bundle/certificate.ts';
import type { Condition } from '../federation/conditions.ts';

type Conditions = PeerStanding['conditions'];
type PeerSample = Sample<'trust_domain'>;

/** Undefined: the peer has no such series. */
type PeerGauge = (standing: PeerStanding) => PeerSample['value'] | undefined;

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

type PeerGaugeName = keyof typeof GAUGES;

export function measurePeers(
  peers: Iterable<Pick<LivePeer, 'standing'>>,
): Readonly<Record<PeerGaugeName, readonly PeerSample[]>> {
  const rows = Object.entries<PeerGauge>(GAUGES).map(([name, gauge]) => ({ name, gauge, samples: [] as PeerSample[] }));
  for (const { standing } of peers) {
    const labels = { trust_domain: standing.plan.peer.trustDomain };
    for (const { gauge, samples } of rows) {
      const value = gauge(standing);
      if (value !== undefined) samples.push({ labels, value });
    }
  }
  return Object.fromEntries(rows.map(({ name, samples }) => [name, samples])) as Record<PeerGaugeName, PeerSample[]>;
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
