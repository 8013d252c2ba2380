// Is a status worth writing? At once when it says something else; not at once when only its times or texts moved.
import type { Condition } from '../federation/conditions.ts';
import { isFields } from './object-fields.ts';
import type { PeerTrustDomainStatus } from './peer-trust-domain.ts';

/** `Minor`: times, who writes, and the conditions' messages, which count attempts and name times. */
export type StatusDifference = 'None' | 'Minor' | 'Content';

/** Conditions of other types belong to somebody else and are not compared. */
const OURS: Readonly<Record<Condition['type'], true>> = {
  Accepted: true,
  SingleWriter: true,
  EndpointTrusted: true,
  BundleFetched: true,
  BundleVerified: true,
  BundleStored: true,
  EntriesFederated: true,
  MeshInjected: true,
  HoldsOurAuthorities: true,
  Ready: true,
};

export function statusDifference(
  present: PeerTrustDomainStatus | undefined,
  wished: PeerTrustDomainStatus,
): StatusDifference {
  if (present === undefined) return 'Content';
  if (canonical(contentOf(present)) !== canonical(contentOf(wished))) return 'Content';
  return canonical(oursOf(present)) === canonical(oursOf(wished)) ? 'None' : 'Minor';
}

function oursOf(status: PeerTrustDomainStatus): PeerTrustDomainStatus {
  const conditions = (status.conditions ?? []).filter(({ type }) => type in OURS);
  return { ...status, conditions: conditions.sort((a, b) => (a.type < b.type ? -1 : 1)) };
}

function contentOf(status: PeerTrustDomainStatus): unknown {
  const { conditions, lastFetch, evidence, ...rest } = oursOf(status);
  return {
    ...rest,
    evidence: evidence?.map((each) => ({ ...each, lastSeen: undefined })),
    lastFetch: lastFetch?.result,
    lastAccepted: undefined,
    nextFetch: undefined,
    writer: undefined,
    conditions: conditions?.map((condition) => ({ ...condition, lastTransitionTime: undefined, message: undefined })),
  };
}

/** The API server gives objects back with their fields in another order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) =>
    isFields(member) ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1))) : member,
  );
}
