// What does the broker's status say of each declared object?
import { peerInForce, type DeclaredObject } from './declared-object.ts';
import type { ReportedPeer } from './peer-status.ts';

/** The part of the broker's status that objects show. */
export interface PeerReport {
  readonly peers: readonly ReportedPeer[];
}

/** By the object's UID. A peer is reported for an object only while what that object declares is in force. */
export function reportsByUid(
  objects: readonly DeclaredObject[],
  { peers }: PeerReport,
): ReadonlyMap<string, { readonly declared: DeclaredObject; readonly reported: ReportedPeer | undefined }> {
  const byName = new Map(peers.map((peer) => [peer.name, peer]));
  return new Map(
    objects.flatMap((declared) => {
      const { uid, name } = declared.object.metadata;
      if (uid === undefined) return [];
      const reported = byName.get(name);
      const isOfIt = reported !== undefined && peerInForce(declared)?.trustDomain === reported.trustDomain;
      return [[uid, { declared, reported: isOfIt ? reported : undefined }]];
    }),
  );
}
