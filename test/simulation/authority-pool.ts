// Which roots and documents do simulated trust domains have? Made once a process: a signature costs more than a run.
import { createHash } from 'node:crypto';
import { serializeBundle } from '../../src/bundle/bundle-document.ts';
import { bundleDigest, type Bundle, type JwtAuthority, type X509Authority } from '../../src/bundle/bundle.ts';
import { parseTrustDomain, type TrustDomain } from '../../src/bundle/trust-domain.ts';
import { generateKeys, makeRoot } from '../fakes/fake-ca.ts';
import { webcrypto } from 'node:crypto';

export interface TrustDomainAuthorities {
  /** Each is newer than the one before. */
  readonly roots: readonly X509Authority[];
  readonly jwtKeys: readonly JwtAuthority[];
}

export interface Document {
  readonly bytes: Uint8Array;
  readonly etag: string;
  /** What was written; undefined for what is no bundle. */
  readonly bundle: Bundle | undefined;
}

const [EAST, WEST, NORTH, BUCKET, MALLORY] = ['east', 'west', 'north', 'bucket', 'mallory'].map((name) =>
  parseTrustDomain(`${name}.example`),
) as [TrustDomain, TrustDomain, TrustDomain, TrustDomain, TrustDomain];

export const BROKERED: readonly TrustDomain[] = [EAST, WEST, NORTH];
export { BUCKET, MALLORY };

/** Its roots carry no SPIFFE ID, as those of an upstream authority: only who holds them tells whose they are. */
const WITHOUT_ID: ReadonlySet<TrustDomain> = new Set([WEST]);

const ROOTS_EACH = 16;
const FIRST_ROOT_MS = Date.parse('2039-01-01T00:00:00Z');

export class AuthorityPool {
  readonly #authorities: ReadonlyMap<TrustDomain, TrustDomainAuthorities>;
  readonly #owners = new Map<X509Authority, TrustDomain>();
  readonly #ownersByBytes = new Map<string, TrustDomain>();
  readonly #documents = new Map<string, Document>();
  readonly #byEtag = new Map<string, Document>();

  constructor(authorities: ReadonlyMap<TrustDomain, TrustDomainAuthorities>) {
    this.#authorities = authorities;
    for (const [name, { roots }] of authorities) {
      for (const root of roots) {
        this.#owners.set(root, name);
        this.#ownersByBytes.set(Buffer.from(root).toString('base64'), name);
      }
    }
  }

  of(trustDomain: TrustDomain): TrustDomainAuthorities {
    const found = this.#authorities.get(trustDomain);
    if (found === undefined) throw new Error(`no authorities were made for ${trustDomain}`);
    return found;
  }

  /** Whose root this is in truth. */
  ownerOf(root: X509Authority): TrustDomain | undefined {
    return this.#owners.get(root) ?? this.#ownersByBytes.get(Buffer.from(root).toString('base64'));
  }

  /** Whether the root itself says whose it is. */
  namesOwner(root: X509Authority): boolean {
    const owner = this.ownerOf(root);
    return owner !== undefined && !WITHOUT_ID.has(owner);
  }

  /** `west#3`, the fourth root of west.example. */
  nameOf(root: X509Authority): string {
    const owner = this.ownerOf(root);
    if (owner === undefined) return 'unknown root';
    const index = this.of(owner).roots.findIndex((each) => Buffer.compare(each, root) === 0);
    return `${owner.split('.')[0] ?? ''}#${index}`;
  }

  /** As an endpoint writes it; the same bundle is the same document. */
  document(bundle: Bundle, refreshHintSeconds: number): Document {
    const key = `${bundleDigest(bundle)} ${bundle.sequenceNumber?.toString() ?? '-'} ${refreshHintSeconds}`;
    const known = this.#documents.get(key);
    if (known !== undefined) return known;
    const made = documentOf(serializeBundle(bundle, { refreshHintSeconds }), { ...bundle, refreshHintSeconds });
    this.#documents.set(key, made);
    this.#byEtag.set(made.etag, made);
    return made;
  }

  /** Undefined for what was not written here. */
  documentOf(etag: string): Document | undefined {
    return this.#byEtag.get(etag);
  }
}

export function documentOf(bytes: Uint8Array, bundle?: Bundle): Document {
  return { bytes, etag: `"${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}"`, bundle };
}

export async function makeAuthorityPool(): Promise<AuthorityPool> {
  const made = await Promise.all(
    [...BROKERED, BUCKET, MALLORY].map(async (name) => [name, await makeAuthorities(name)] as const),
  );
  return new AuthorityPool(new Map(made));
}

async function makeAuthorities(trustDomain: TrustDomain): Promise<TrustDomainAuthorities> {
  const roots = await Promise.all(
    Array.from({ length: ROOTS_EACH }, async (_, index) => {
      const notBefore = new Date(FIRST_ROOT_MS + index * 60_000);
      const { der } = await makeRoot(trustDomain, { notBefore, ...(WITHOUT_ID.has(trustDomain) && { uris: [] }) });
      return der;
    }),
  );
  const { publicKey } = await generateKeys();
  const spki = new Uint8Array(await webcrypto.subtle.exportKey('spki', publicKey));
  return { roots, jwtKeys: [{ keyId: `${trustDomain}-1`, publicKey: spki }] };
}
