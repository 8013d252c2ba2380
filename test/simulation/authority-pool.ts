// Which roots and documents do simulated trust domains have? Made once a process: a signature costs more than a run.
import { createHash } from 'node:crypto';
import { serializeBundle } from '../../src/bundle/bundle-document.ts';
import { readCertificate } from '../../src/bundle/certificate.ts';
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
const JWT_KEYS_EACH = 6;
const FIRST_ROOT_MS = Date.parse('2039-01-01T00:00:00Z');
const LAST_MS = Date.parse('2049-01-01T00:00:00Z');
const ISSUED_EVERY_MS = 10_000;
/** As SPIRE does. */
const BACKDATE_MS = 10_000;

export class AuthorityPool {
  readonly #authorities: ReadonlyMap<TrustDomain, TrustDomainAuthorities>;
  readonly #places = new WeakMap<X509Authority, Place>();
  readonly #placesByBytes = new Map<string, Place>();
  readonly #issued = new Map<string, X509Authority>();
  readonly #documents = new Map<string, Document>();
  readonly #byEtag = new Map<string, Document>();

  constructor(authorities: ReadonlyMap<TrustDomain, TrustDomainAuthorities>) {
    this.#authorities = authorities;
    for (const [owner, { roots }] of authorities) {
      for (const [index, root] of roots.entries()) this.#placesByBytes.set(endOf(root), { owner, index });
    }
  }

  of(trustDomain: TrustDomain): TrustDomainAuthorities {
    const found = this.#authorities.get(trustDomain);
    if (found === undefined) throw new Error(`no authorities were made for ${trustDomain}`);
    return found;
  }

  /** The same root with other times, to the ten seconds: a signature costs too much, and nobody verifies a root's own. */
  issuedAt(root: X509Authority, atMs: number, lifetimeMs: number): X509Authority {
    const fromMs = Math.floor(atMs / ISSUED_EVERY_MS) * ISSUED_EVERY_MS;
    const key = `${endOf(root)} ${fromMs} ${lifetimeMs}`;
    const known = this.#issued.get(key);
    if (known !== undefined) return known;
    const issued = withTimes(root, fromMs - BACKDATE_MS, fromMs + lifetimeMs);
    this.#issued.set(key, issued);
    return issued;
  }

  /** Whose root this is in truth. */
  ownerOf(root: X509Authority): TrustDomain | undefined {
    return this.#placeOf(root)?.owner;
  }

  /** Whether the root itself says whose it is. */
  namesOwner(root: X509Authority): boolean {
    const owner = this.ownerOf(root);
    return owner !== undefined && !WITHOUT_ID.has(owner);
  }

  /** `west#3`, the fourth root of west.example. */
  nameOf(root: X509Authority): string {
    const place = this.#placeOf(root);
    return place === undefined ? 'unknown root' : `${place.owner.split('.')[0] ?? ''}#${place.index}`;
  }

  #placeOf(root: X509Authority): Place | undefined {
    const known = this.#places.get(root);
    if (known !== undefined) return known;
    const place = this.#placesByBytes.get(endOf(root));
    if (place !== undefined) this.#places.set(root, place);
    return place;
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

/** Where a root stands among those of its trust domain. */
interface Place {
  readonly owner: TrustDomain;
  readonly index: number;
}

/** Of its signature: no two roots have the same, whatever their times. */
function endOf(root: X509Authority): string {
  return Buffer.from(root.buffer, root.byteOffset + root.length - 48, 48).toString('base64');
}

/** UTCTime, as X.509 writes times before 2050. */
function withTimes(root: X509Authority, notBeforeMs: number, notAfterMs: number): X509Authority {
  const issued = Buffer.from(root);
  const { notBefore, notAfter } = readCertificate(root);
  for (const [before, afterMs] of [
    [notBefore.getTime(), notBeforeMs],
    [notAfter.getTime(), notAfterMs],
  ] as const) {
    const at = issued.indexOf(utcTime(before));
    if (at === -1) throw new Error('the root has another form of time');
    issued.write(utcTime(afterMs), at, 'latin1');
  }
  return new Uint8Array(issued);
}

function utcTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(2, 19).replaceAll(/[-T:]/g, '')}Z`;
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
      const { der } = await makeRoot(trustDomain, {
        notBefore,
        notAfter: new Date(LAST_MS),
        ...(WITHOUT_ID.has(trustDomain) && { uris: [] }),
      });
      return der;
    }),
  );
  const jwtKeys = await Promise.all(
    Array.from({ length: JWT_KEYS_EACH }, async (_, index) => {
      const { publicKey } = await generateKeys();
      const spki = new Uint8Array(await webcrypto.subtle.exportKey('spki', publicKey));
      return { keyId: `${trustDomain}-${index + 1}`, publicKey: spki };
    }),
  );
  return { roots, jwtKeys };
}
