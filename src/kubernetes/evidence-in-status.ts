// Which evidence does an object's status keep? What the broker reports, and from before its start what stands there.
import { cutToCharacters } from './cut-text.ts';
import { wholeSeconds } from './micro-time.ts';
import type { PeerTrustDomainStatus } from './peer-trust-domain.ts';

type Kept = NonNullable<PeerTrustDomainStatus['evidence']>[number];

/** The part of the broker's evidence that is kept. Times are RFC 3339 text. */
export interface ReportedEvidence {
  readonly verdict: Kept['verdict'];
  readonly reason: string;
  readonly firstSeen: string;
  readonly lastSeen: string;
  readonly url?: string;
  readonly endpointCertificates: readonly string[];
  readonly bundle?: {
    readonly digest: string;
    readonly sequence?: string;
    readonly roots: readonly { readonly fingerprint: string }[];
  };
}

const MAX_KEPT = 8;
/** An object is read as a whole by everybody who watches it. */
const MAX_ROOTS = 16;
const URL_CHARACTERS = 2048;

/** Newest first; undefined: there was never any. */
export function evidenceInStatus(
  reported: readonly ReportedEvidence[],
  present: readonly Kept[] = [],
): readonly Kept[] | undefined {
  const isSame = (a: Kept, b: Kept) => a.digest === b.digest && a.reason === b.reason;
  const fresh = reported.map((each) => {
    const kept = keptOf(each);
    const before = present.find((other) => isSame(other, kept));
    return before !== undefined && before.firstSeen < kept.firstSeen ? { ...kept, firstSeen: before.firstSeen } : kept;
  });
  const older = present.filter((each) => !fresh.some((other) => isSame(each, other)));
  const all = [...fresh, ...older].slice(0, MAX_KEPT);
  return all.length === 0 ? undefined : all;
}

function keptOf({ verdict, reason, bundle, url, ...seen }: ReportedEvidence): Kept {
  return {
    verdict,
    reason,
    ...(bundle !== undefined && { digest: bundle.digest }),
    ...(bundle?.sequence !== undefined && { sequence: bundle.sequence }),
    ...(url !== undefined && { url: cutToCharacters(url, URL_CHARACTERS) }),
    endpointCertificates: [...seen.endpointCertificates],
    ...(bundle !== undefined && {
      rootFingerprints: bundle.roots.slice(0, MAX_ROOTS).map(({ fingerprint }) => fingerprint),
    }),
    firstSeen: wholeSeconds(new Date(seen.firstSeen)),
    lastSeen: wholeSeconds(new Date(seen.lastSeen)),
  };
}
