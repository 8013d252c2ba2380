// Whose root is this, and whose key? An index over our own bundle and all foreign ones that are held.
import { fingerprint, type Bundle } from './bundle.ts';
import { readCertificate } from './certificate.ts';
import type { TrustDomain } from './trust-domain.ts';

export interface KnownRoots {
  /** Undefined while our own bundle is not known. */
  readonly own:
    | {
        readonly trustDomain: TrustDomain;
        readonly fingerprints: ReadonlySet<string>;
        readonly publicKeys: ReadonlySet<string>;
        /** Of `nameKey`. */
        readonly names: ReadonlySet<string>;
      }
    | undefined;
  /** The foreign trust domains that hold a root with this fingerprint. */
  readonly ownersOfRoot: (rootFingerprint: string) => readonly TrustDomain[];
  readonly ownersOfKey: (publicKeyFingerprint: string) => readonly TrustDomain[];
}

/** Makes indexes one after the other; a certificate that was read for an earlier one is not read again. */
export class RootIndexer {
  #keyOfRoot: ReadonlyMap<string, string> = new Map();

  index(own: Bundle | undefined, others: readonly Bundle[]): KnownRoots {
    const keyOfRoot = new Map<string, string>();
    const rootOwners = new Map<string, TrustDomain[]>();
    const keyOwners = new Map<string, TrustDomain[]>();
    for (const { trustDomain, x509Authorities } of others) {
      for (const der of x509Authorities) {
        const root = fingerprint(der);
        const key = keyOfRoot.get(root) ?? this.#keyOfRoot.get(root) ?? readCertificate(der).publicKey.fingerprint;
        keyOfRoot.set(root, key);
        append(rootOwners, root, trustDomain);
        append(keyOwners, key, trustDomain);
      }
    }
    this.#keyOfRoot = keyOfRoot;
    return {
      own: own === undefined ? undefined : ownRoots(own),
      ownersOfRoot: (root) => rootOwners.get(root) ?? [],
      ownersOfKey: (key) => keyOwners.get(key) ?? [],
    };
  }
}

/** How those who build chains by name tell two roots apart. */
export function nameKey(subject: string, subjectKeyId: string): string {
  return `${subjectKeyId} ${subject}`;
}

function ownRoots({ trustDomain, x509Authorities }: Bundle): NonNullable<KnownRoots['own']> {
  const certificates = x509Authorities.map(readCertificate);
  return {
    trustDomain,
    fingerprints: new Set(certificates.map((certificate) => certificate.fingerprint)),
    publicKeys: new Set(certificates.map(({ publicKey }) => publicKey.fingerprint)),
    names: new Set(
      certificates.flatMap(({ subject, subjectKeyId }) =>
        subjectKeyId === undefined ? [] : [nameKey(subject, subjectKeyId)],
      ),
    ),
  };
}

function append(owners: Map<string, TrustDomain[]>, key: string, owner: TrustDomain): void {
  const list = owners.get(key);
  if (list === undefined) owners.set(key, [owner]);
  else if (!list.includes(owner)) list.push(owner);
}
