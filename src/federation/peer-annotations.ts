// What does an operator ask of one declared peer beside its spec? Annotations, the same in files and in Kubernetes.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import { parseBootstrapBundle } from './bootstrap.ts';
import { PEER_API } from './peer-api.ts';
import type { Peer } from './relationship.ts';

export const PEER_ANNOTATIONS = {
  /** One digest: this content is accepted. Goes before `spec.policy.acceptDigest`. */
  acceptDigest: `${PEER_API.group}/accept-digest`,
  /** Digests joined by commas: none of these contents is accepted. */
  rejectDigest: `${PEER_API.group}/reject-digest`,
  /** Why the peer is quarantined. */
  quarantineReason: `${PEER_API.group}/quarantine-reason`,
  /** SPIFFE bundle document that was held when the peer was quarantined. */
  lastGoodBundle: `${PEER_API.group}/last-good-bundle`,
} as const;

/** The oldest go first. */
export const MAX_REJECTED_DIGESTS = 32;
const REASON_CHARACTERS = 1024;
const DIGEST = /^[0-9a-f]{64}$/i;
const DIGEST_DEMAND = 'must be the SHA-256 of a bundle: 64 hexadecimal digits';

export type Annotations = Readonly<Record<string, string>>;

export interface AnnotationFault {
  readonly annotation: string;
  readonly message: string;
}

/** What they ask for; one with a fault asks for nothing. */
export interface PeerRequests extends Pick<Peer, 'acceptDigest' | 'rejectDigests' | 'lastGoodBundle'> {
  readonly quarantineReason: string | undefined;
  readonly faults: readonly AnnotationFault[];
}

export function isDigest(text: string): boolean {
  return DIGEST.test(text);
}

/** @param trustDomain of the peer: the last good bundle must be its */
export function readPeerAnnotations(annotations: Annotations, trustDomain: TrustDomain): PeerRequests {
  const faults: AnnotationFault[] = [];
  const read = <T>(annotation: string, reader: (text: string) => T): T | undefined => {
    const text = annotations[annotation];
    if (text === undefined) return undefined;
    try {
      return reader(text);
    } catch (error) {
      faults.push({ annotation, message: (error as Error).message });
      return undefined;
    }
  };
  const { acceptDigest, rejectDigest, quarantineReason, lastGoodBundle } = PEER_ANNOTATIONS;
  return {
    acceptDigest: read(acceptDigest, digestOf),
    rejectDigests: read(rejectDigest, digestsOf) ?? [],
    quarantineReason: annotations[quarantineReason]?.slice(0, REASON_CHARACTERS),
    lastGoodBundle: read(lastGoodBundle, (text) => bundleTextOf(text, trustDomain)),
    faults,
  };
}

/** In lower case, the oldest first; whatever stands there. */
export function rejectedDigests(annotations: Annotations): string[] {
  const names = (annotations[PEER_ANNOTATIONS.rejectDigest] ?? '').split(',').map((text) => text.trim().toLowerCase());
  return names.filter((text) => text !== '');
}

function digestOf(text: string): string {
  if (!isDigest(text)) throw new Error(DIGEST_DEMAND);
  return text.toLowerCase();
}

function digestsOf(text: string): string[] {
  const digests = rejectedDigests({ [PEER_ANNOTATIONS.rejectDigest]: text });
  if (digests.length > MAX_REJECTED_DIGESTS) throw new Error(`may name at most ${MAX_REJECTED_DIGESTS} digests`);
  const wrong = digests.find((digest) => !isDigest(digest));
  if (wrong !== undefined) throw new Error(`"${wrong.slice(0, 80)}" ${DIGEST_DEMAND}; several are joined by commas`);
  return digests;
}

function bundleTextOf(text: string, trustDomain: TrustDomain): string {
  parseBootstrapBundle(Buffer.from(text), trustDomain);
  return text;
}
