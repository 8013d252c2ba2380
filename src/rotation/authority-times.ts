// Since when is an authority published, and when does SPIRE's own clock act? (SPIRE 1.15.3: prepares at half life,
// activates when a sixth is left)
import { fingerprint, type Bundle } from '../bundle/bundle.ts';
import { readableCertificate, type Certificate } from '../bundle/certificate.ts';
import type { LocalAuthorityStates } from '../federation/facts.ts';
import type { Authority } from '../federation/local-authority.ts';

export type AuthorityKind = 'x509' | 'jwt';

/** What follows from the life of the active authority. SPIRE looks every ten seconds, so each is that much later at most. */
export interface SpireClock {
  /** How long an authority lives: SPIRE's `ca_ttl`. */
  readonly lifeSeconds: number;
  readonly preparesAt: Date;
  /** Nobody can hold SPIRE back: an administrator can only activate earlier. */
  readonly activatesAt: Date;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const PREPARE_WHEN_LEFT = { part: 1 / 2, capMs: 30 * DAY_MS };
const ACTIVATE_WHEN_LEFT = { part: 1 / 6, capMs: 7 * DAY_MS };

/** The part of its life after which SPIRE prepares and activates the next authority in one go, which nobody has seen. */
export const FOLLOWED_UNSEEN_AFTER = 1 - ACTIVATE_WHEN_LEFT.part;

/** SPIRE backdates `notBefore` so that clocks may differ a little. */
const BACKDATE_MS = 10_000;

/**
 * The root that peers verify this authority's SVIDs with; undefined when the bundle does not have it. With an
 * UpstreamAuthority plugin that is the upstream's root, where that signs by itself.
 */
export function rootOf({ id, upstreamId }: Authority, { x509Authorities }: Bundle): Certificate | undefined {
  return x509Authorities.map(readableCertificate).find((root) => root?.subjectKeyId === (upstreamId ?? id));
}

/** `root`: its `rootOf`. Fingerprints of the roots without which a peer may not verify this authority's SVIDs; undefined: they are not published. */
export function rootsNeeded(
  { upstreamId }: Authority,
  root: Certificate | undefined,
  { x509Authorities }: Bundle,
): readonly string[] | undefined {
  if (root !== undefined) return [root.fingerprint];
  // Signed by an intermediate of the upstream, which does not say what its root is: it is one of these.
  return upstreamId === undefined ? undefined : x509Authorities.map(fingerprint);
}

/** Undefined when nothing says it: the root is an upstream's, or gone from the bundle. */
export function lifeMsOf({ x509 }: LocalAuthorityStates, bundle: Bundle): number | undefined {
  if (x509.active.upstreamId !== undefined) return undefined;
  const root = rootOf(x509.active, bundle);
  return root && root.notAfter.getTime() - issuedAtMs(root);
}

/**
 * When SPIRE made it, and so published it; known again after any restart. A JWT authority says only when it ends, and
 * lives as long as an X.509 authority of the same server.
 */
export function publishedAt(
  kind: AuthorityKind,
  authority: Authority,
  bundle: Bundle,
  lifeMs: number | undefined,
): Date | undefined {
  if (kind === 'jwt') {
    const { expiresAt } = authority;
    return expiresAt === undefined || lifeMs === undefined ? undefined : new Date(expiresAt.getTime() - lifeMs);
  }
  if (authority.upstreamId !== undefined) return undefined;
  const root = rootOf(authority, bundle);
  return root && new Date(issuedAtMs(root));
}

export function spireClock({ expiresAt }: Authority, lifeMs: number | undefined): SpireClock | undefined {
  if (expiresAt === undefined || lifeMs === undefined) return undefined;
  const whenLeft = ({ part, capMs }: typeof PREPARE_WHEN_LEFT) =>
    new Date(expiresAt.getTime() - Math.min(lifeMs * part, capMs));
  return {
    lifeSeconds: lifeMs / 1000,
    preparesAt: whenLeft(PREPARE_WHEN_LEFT),
    activatesAt: whenLeft(ACTIVATE_WHEN_LEFT),
  };
}

function issuedAtMs({ notBefore }: Certificate): number {
  return notBefore.getTime() + BACKDATE_MS;
}
