// Is this bundle fit to be trusted for its trust domain, and for nothing else? One row a rule.
import type { KeyObject } from 'node:crypto';
import { fingerprint, type Bundle } from './bundle.ts';
import type { Certificate, CertificateExtensions } from './certificate.ts';
import { nameKey, type KnownRoots } from './known-roots.ts';
import { parseSpiffeId, trustDomainOf } from './spiffe-id.ts';
import type { TrustDomain } from './trust-domain.ts';

/** `refuse`: the whole bundle. `ignore-key`: that key alone. `warn`: nothing is left out. */
export type Severity = 'refuse' | 'ignore-key' | 'warn';

export interface Finding {
  readonly ruleId: string;
  readonly severity: Severity;
  /** For people. */
  readonly message: string;
  /** The place in the document, a root's fingerprint or a key id; undefined for the bundle as a whole. */
  readonly subject: string | undefined;
}

export interface RuleContext {
  readonly trustDomain: TrustDomain;
  readonly now: Date;
  /** Whose roots are whose already. */
  readonly knownRoots: KnownRoots;
  readonly maxRoots: number;
}

/** A root beside what its rules look at. */
export interface Root extends Certificate, CertificateExtensions {}

interface RuleHead {
  /** At once the condition's reason, the metric's label and the line of `fedbroker check`. */
  readonly id: string;
  /** Of which standard, or why. */
  readonly section: string;
  readonly severity: Severity;
  /** Completes "a bundle passes when …". */
  readonly demand: string;
  /** It compares with the bundles that are held: without them it has nothing to say. */
  readonly needsKnownRoots?: true;
}

export type BundleRule = RuleHead &
  (
    | { readonly looksAt: 'document' }
    | { readonly looksAt: 'bundle'; readonly objection: (bundle: Bundle, context: RuleContext) => string | undefined }
    | { readonly looksAt: 'root'; readonly objection: (root: Root, context: RuleContext) => string | undefined }
  );

const MIN_RSA_BITS = 2048;
/** Hash names, and the object identifiers of signature algorithms whose hash has no name here: MD2, MD4, MD5. */
const WEAK_SIGNATURES: ReadonlySet<string> = new Set([
  'SHA-1',
  '1.2.840.113549.1.1.2',
  '1.2.840.113549.1.1.3',
  '1.2.840.113549.1.1.4',
]);

export const BUNDLE_RULES = [
  {
    id: 'UnknownKeyType',
    section: 'Trust Domain and Bundle §4.2.1',
    severity: 'ignore-key',
    demand: 'every key has a kty that is known: EC, RSA or OKP',
    looksAt: 'document',
  },
  {
    id: 'UnknownUse',
    section: 'Trust Domain and Bundle §4.2.2',
    severity: 'ignore-key',
    demand: 'every key has use x509-svid or jwt-svid',
    looksAt: 'document',
  },
  {
    id: 'CertificateMissing',
    section: 'X509-SVID §6.2',
    severity: 'ignore-key',
    demand: 'every x509-svid key has a certificate in x5c',
    looksAt: 'document',
  },
  {
    id: 'KeyMismatch',
    section: 'RFC 7517 §4.7',
    severity: 'ignore-key',
    demand: 'every x509-svid key is the key of its certificate',
    looksAt: 'document',
  },
  {
    id: 'ExtraCertificates',
    section: 'X509-SVID §6.2',
    severity: 'warn',
    demand: 'every x509-svid key has one certificate in x5c, not more',
    looksAt: 'document',
  },
  {
    id: 'DuplicateKeyId',
    section: 'JWT-SVID §6.1',
    severity: 'warn',
    demand: 'no two jwt-svid keys have one kid',
    looksAt: 'document',
  },
  {
    id: 'TooManyRoots',
    section: 'a limit of this program',
    severity: 'refuse',
    demand: 'it has no more X.509 authorities than the limit',
    looksAt: 'bundle',
    objection: ({ x509Authorities }, { maxRoots }) =>
      x509Authorities.length > maxRoots
        ? `it has ${x509Authorities.length} X.509 authorities, more than ${maxRoots} (setting maxRoots)`
        : undefined,
  },
  {
    id: 'OwnRoot',
    section: 'Federation §7.3',
    severity: 'refuse',
    demand: 'no root is one of our own',
    looksAt: 'root',
    needsKnownRoots: true,
    objection: (root, { knownRoots }) =>
      knownRoots.own?.fingerprints.has(root.fingerprint) === true
        ? `root ${short(root)} is a root of our own trust domain`
        : undefined,
  },
  {
    id: 'OwnKey',
    section: 'Federation §7.3',
    severity: 'refuse',
    demand: 'no root has the key of one of our own roots',
    looksAt: 'root',
    needsKnownRoots: true,
    objection: (root, { knownRoots }) =>
      knownRoots.own?.publicKeys.has(root.publicKeyFingerprint) === true
        ? `root ${short(root)} has the key of a root of our own trust domain`
        : undefined,
  },
  {
    id: 'OwnSubjectAndKeyId',
    section: 'measured on Envoy 1.40.0: such a root that stands first breaks our own mTLS',
    severity: 'refuse',
    demand: 'no root has both subject and subject key id of one of our own roots',
    looksAt: 'root',
    needsKnownRoots: true,
    objection: (root, { knownRoots }) =>
      root.subjectKeyId !== undefined && knownRoots.own?.names.has(nameKey(root.subject, root.subjectKeyId)) === true
        ? `root ${short(root)} has the subject and subject key id of a root of our own trust domain`
        : undefined,
  },
  {
    id: 'RootOfOtherTrustDomain',
    section: 'Federation §4.2, §7.3',
    severity: 'refuse',
    demand: 'no root belongs to another declared trust domain',
    looksAt: 'root',
    needsKnownRoots: true,
    objection: (root, { knownRoots, trustDomain }) =>
      claimed(`root ${short(root)}`, knownRoots.ownersOfRoot(root.fingerprint), trustDomain),
  },
  {
    id: 'KeyOfOtherTrustDomain',
    section: 'Federation §4.2, §7.3',
    severity: 'refuse',
    demand: 'no root has the key of a root of another declared trust domain',
    looksAt: 'root',
    needsKnownRoots: true,
    objection: (root, { knownRoots, trustDomain }) =>
      claimed(`the key of root ${short(root)}`, knownRoots.ownersOfKey(root.publicKeyFingerprint), trustDomain),
  },
  {
    id: 'RootNamesOtherTrustDomain',
    section: 'X509-SVID §3.1: a signing certificate names its own trust domain',
    severity: 'refuse',
    demand: 'every root that has a SPIFFE ID names this trust domain',
    looksAt: 'root',
    objection: (root, { trustDomain }) => {
      const foreign = root.uriSans.find((uri) => uri.startsWith('spiffe://') && !names(uri, trustDomain));
      return foreign === undefined
        ? undefined
        : `root ${short(root)} names ${foreign}; is the declared trust domain right?`;
    },
  },
  {
    id: 'RootNotCa',
    section: 'X509-SVID §4.1, RFC 5280 §4.2.1.9',
    severity: 'ignore-key',
    demand: 'every root is a CA certificate',
    looksAt: 'root',
    objection: (root) => (root.isCa ? undefined : `root ${short(root)} is no CA certificate`),
  },
  {
    id: 'RootMayNotSign',
    section: 'X509-SVID §4.3, RFC 5280 §4.2.1.3',
    severity: 'ignore-key',
    demand: 'every root that limits its key usage may sign certificates',
    looksAt: 'root',
    objection: (root) =>
      root.keyUsage === undefined || root.keyUsage.keyCertSign
        ? undefined
        : `root ${short(root)} may not sign certificates by its key usage`,
  },
  {
    id: 'WeakSignature',
    section: 'RFC 9155, CA/Browser Forum BR §7.1.3.2',
    severity: 'ignore-key',
    demand: 'no root is signed with SHA-1 or MD5',
    looksAt: 'root',
    objection: (root) =>
      root.signatureHash !== undefined && WEAK_SIGNATURES.has(root.signatureHash)
        ? `root ${short(root)} is signed with ${root.signatureHash}`
        : undefined,
  },
  {
    id: 'WeakKey',
    section: 'NIST SP 800-57 part 1 §5.6.1',
    severity: 'ignore-key',
    demand: 'every root has RSA of 2048 bits, an elliptic curve of 256 bits, or more',
    looksAt: 'root',
    objection: (root) => {
      const weakness = keyWeakness(root.publicKey);
      return weakness === undefined ? undefined : `root ${short(root)} has ${weakness}`;
    },
  },
  {
    id: 'RootExpired',
    section: 'RFC 5280 §6.1.3; SPIRE lists roots for 24 h and more after they expired',
    severity: 'warn',
    demand: 'no root has expired',
    looksAt: 'root',
    objection: (root, { now }) =>
      root.notAfter < now ? `root ${short(root)} expired ${root.notAfter.toISOString()}` : undefined,
  },
  {
    id: 'RootNotYetValid',
    section: 'RFC 5280 §6.1.3',
    severity: 'warn',
    demand: 'every root is valid already',
    looksAt: 'root',
    objection: (root, { now }) =>
      root.notBefore > now
        ? `root ${short(root)} is valid from ${root.notBefore.toISOString()}; are the clocks right?`
        : undefined,
  },
  {
    id: 'DuplicateRoot',
    section: 'X509-SVID §6.1',
    severity: 'warn',
    demand: 'no root is there twice',
    looksAt: 'bundle',
    objection: ({ x509Authorities }) => {
      const repeated = x509Authorities.length - new Set(x509Authorities.map(fingerprint)).size;
      return repeated === 0 ? undefined : `${repeated} roots are there more than once; each counts once`;
    },
  },
] as const satisfies readonly BundleRule[];

export type BundleRuleId = (typeof BUNDLE_RULES)[number]['id'];

/** A finding of the rule with this id, with the severity that the table gives it. */
export function findingOf(ruleId: BundleRuleId, message: string, subject: string | undefined): Finding {
  const rule = BUNDLE_RULES.find(({ id }) => id === ruleId);
  if (rule === undefined) throw new Error(`no rule has the id ${ruleId}`);
  return { ruleId, severity: rule.severity, message, subject };
}

function names(uri: string, trustDomain: TrustDomain): boolean {
  try {
    return trustDomainOf(parseSpiffeId(uri)) === trustDomain;
  } catch {
    return false;
  }
}

function claimed(what: string, owners: readonly TrustDomain[], claimant: TrustDomain): string | undefined {
  const others = owners.filter((owner) => owner !== claimant);
  return others.length === 0 ? undefined : `${what} belongs to ${others.join(', ')} already`;
}

function keyWeakness({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string | undefined {
  const bits = asymmetricKeyDetails?.modulusLength;
  if (bits !== undefined && bits < MIN_RSA_BITS) return `a key of only ${bits} bits`;
  if (asymmetricKeyType === 'dsa') return 'a DSA key';
  const curve = asymmetricKeyDetails?.namedCurve;
  const curveBits = Number(/(\d{3})/.exec(curve ?? '')?.[1] ?? 256);
  return curveBits < 256 ? `a key on the curve ${curve ?? ''}` : undefined;
}

function short({ fingerprint: whole, subject }: Root): string {
  return `${whole.slice(0, 16)}… (${subject})`;
}
