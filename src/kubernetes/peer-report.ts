// What does the broker's status say of each declared object?
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Peer } from '../federation/relationship.ts';
import { peerInForce, type DeclaredObject } from './declared-object.ts';
import type { ReportedPeer } from './peer-status.ts';

/** The part of the broker's status that objects show. */
export interface PeerReport {
  readonly peers: readonly ReportedPeer[];
  /** The declarations that the newest pass judged, by trust domain: what is reported is about these. */
  readonly judged: ReadonlyMap<TrustDomain, Peer>;
}

export interface ObjectReport {
  readonly declared: DeclaredObject;
  /** Undefined: no pass has looked at what the object declares. */
  readonly reported: ReportedPeer | undefined;
  /** Whether the report is about what the object declares now. */
  readonly isNewest: boolean;
}

/** By the object's UID. A peer is reported for an object only while what that object declares is in force. */
export function reportsByUid(
  objects: readonly DeclaredObject[],
  { peers, judged }: PeerReport,
): ReadonlyMap<string, ObjectReport> {
  const byName = new Map(peers.map((peer) => [peer.name, peer]));
  return new Map(
    objects.flatMap((declared) => {
      const { uid, name } = declared.object.metadata;
      if (uid === undefined) return [];
      const reported = byName.get(name);
      const peer = peerInForce(declared);
      const isOfIt = reported !== undefined && peer?.trustDomain === reported.trustDomain;
      const isNewest = peer !== undefined && judged.get(peer.trustDomain) === peer;
      return [[uid, { declared, reported: isOfIt ? reported : undefined, isNewest }]];
    }),
  );
}
