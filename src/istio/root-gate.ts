// May the roots of this peer be published at all? (src/bundle's rules, and what istiod's Go would stumble over)
import type { Bundle } from '../bundle/bundle.ts';
import { readCertificate } from '../bundle/certificate.ts';
import { checkBundle } from '../bundle/check-bundle.ts';
import type { KnownRoots } from '../bundle/known-roots.ts';
import { certificateParts } from './certificate-parts.ts';
import type { MeshVerdict } from './mesh-verdict.ts';
import { collisionWith, type OurRoots } from './root-collision.ts';

export interface GateContext {
  readonly now: Date;
  readonly knownRoots: KnownRoots;
  /** The roots beside which the peer's are looked up: by key and by name, they must not be mistaken for each other. */
  readonly ours: readonly OurRoots[];
  /** Whether certificates of the peer go into an object; a name alone is no matter of their form. */
  readonly publishesRoots: boolean;
}

/** A rule that compares with other bundles; the others look at the certificate alone. */
const COLLISIONS: ReadonlySet<string> = new Set([
  'OwnRoot',
  'OwnKey',
  'OwnSubjectAndKeyId',
  'RootOfOtherTrustDomain',
  'KeyOfOtherTrustDomain',
]);

/** Where SPIRE itself fetches, it stores what the broker would have refused: so the rules are asked again. */
export function refuseRoots(bundle: Bundle, context: GateContext): MeshVerdict | undefined {
  const { now, knownRoots, ours, publishesRoots } = context;
  const { findings } = checkBundle({ bundle, findings: [] }, { now, knownRoots, maxRoots: Infinity });
  const broken = findings.find(({ ruleId }) => COLLISIONS.has(ruleId));
  const collision = broken === undefined ? collisionWith(bundle, ours) : `${broken.message} (${broken.ruleId})`;
  if (collision !== undefined) {
    const message = `${collision}; nothing of it is published anew. Ask the operators of ${bundle.trustDomain} why, or take the declaration of the wrong one back`;
    return { code: 'RootCollision', message };
  }
  if (!publishesRoots) return undefined;
  const unfit = findings.find(({ severity }) => severity !== 'warn');
  const fault = unfit === undefined ? firstFault(bundle) : `${unfit.message} (${unfit.ruleId})`;
  if (fault === undefined) return undefined;
  const message = `${fault}; what was published before stays. Ask the operators of ${bundle.trustDomain} for a root without that`;
  return { code: 'RootUnfit', message };
}

function firstFault({ x509Authorities }: Bundle): string | undefined {
  return x509Authorities.map(goFault).find((fault) => fault !== undefined);
}

/** Go's names for the curves it knows; a certificate with another does not parse there. */
const GO_CURVES: ReadonlySet<string> = new Set(['P-256', 'P-384', 'P-521']);

/**
 * Completes "root …": what Go 1.23 and later refuses although OpenSSL reads it. Istiod then ignores every certificate
 * in its mesh config, and does not start the next time.
 */
export function goFault(der: Uint8Array): string | undefined {
  const { fingerprint: print, publicKey } = readCertificate(der);
  const root = `root ${print.slice(0, 16)}…`;
  const { version, serialNumber } = certificateParts(der);
  if (version !== 3) return `${root} is an X.509 certificate of version ${version}, not 3`;
  if ((serialNumber[0] ?? 0) >= 0x80) return `${root} has a negative serial number`;
  if (publicKey.type === 'ec' && !GO_CURVES.has(publicKey.curve ?? '')) {
    return `${root} has a key on the curve ${publicKey.curve ?? 'without a name'}, which istiod cannot read`;
  }
  return undefined;
}
