// Is this root fit to vouch for its trust domain, and for nothing else? One row a rule.
import type { Certificate } from './certificate.ts';
import { nameKey } from './known-roots.ts';
import { weaknessOf } from './public-key.ts';
import { cut, quoted } from './quoted.ts';
import type { RuleContext, RuleHead } from './rule.ts';
import { parseSpiffeId, trustDomainOf } from './spiffe-id.ts';
import type { TrustDomain } from './trust-domain.ts';

export interface RootRule extends RuleHead {
  readonly looksAt: 'root';
  /** Says what is wrong with the root, if anything. */
  readonly objection: (root: Certificate, context: RuleContext) => string | undefined;
}

const WEAK_HASHES: ReadonlySet<string> = new Set(['MD2', 'MD4', 'MD5', 'SHA-1']);

export const ROOT_RULES = [
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
      knownRoots.own?.publicKeys.has(root.publicKey.fingerprint) === true
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
      claimed(`the key of root ${short(root)}`, knownRoots.ownersOfKey(root.publicKey.fingerprint), trustDomain),
  },
  {
    id: 'RootNamesOtherTrustDomain',
    section: 'X509-SVID §3.2: a signing certificate should be of the trust domain it signs for',
    severity: 'refuse',
    demand: 'every root that has a SPIFFE ID names this trust domain',
    looksAt: 'root',
    objection: (root, { trustDomain }) => {
      const foreign = root.uriSans.find((uri) => uri.startsWith('spiffe://') && !names(uri, trustDomain));
      return foreign === undefined
        ? undefined
        : `root ${short(root)} names ${quoted(foreign)}; is the declared trust domain right?`;
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
      root.signatureHash !== undefined && WEAK_HASHES.has(root.signatureHash)
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
      const weakness = weaknessOf(root.publicKey);
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
] as const satisfies readonly RootRule[];

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

function short({ fingerprint: whole, subject }: Certificate): string {
  return `${whole.slice(0, 16)}… (${cut(subject)})`;
}
