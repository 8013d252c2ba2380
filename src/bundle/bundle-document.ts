// Which bundle does this document hold, and how is a bundle written? (SPIFFE Trust Domain and Bundle §4, X509-SVID §6,
// JWT-SVID §6)
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { BundleError } from './bundle-error.ts';
import { findingOf, type Finding } from './bundle-rules.ts';
import { canonicalBundle, type Bundle, type JwtAuthority, type X509Authority } from './bundle.ts';
import { readCertificate } from './certificate.ts';
import { describePublicKey, importJwk, PUBLIC_KEY_MEMBERS, saysKey, weaknessOf, type PublicKey } from './public-key.ts';
import { cut, quoted } from './quoted.ts';
import {
  isJsonArray,
  isJsonNumber,
  isJsonObject,
  parseStrictJson,
  type JsonObject,
  type JsonValue,
} from './strict-json.ts';
import type { TrustDomain } from './trust-domain.ts';

export interface BundleDocumentLimits {
  readonly maxBytes: number;
  /** Elements of `keys`, also those that are ignored. */
  readonly maxKeys: number;
  readonly maxDepth: number;
}

export const BUNDLE_DOCUMENT_LIMITS: BundleDocumentLimits = {
  // SPIRE agents fail to synchronise anything with a bundle of more than 4 MiB (measured on SPIRE 1.15.3).
  maxBytes: 4 * 2 ** 20,
  // Ten times the roots that the rules let pass by default, so that those give the reason.
  maxKeys: 1000,
  // A JWK Set needs four: the set, its keys, a key, its x5c.
  maxDepth: 16,
};

export interface ParsedBundleDocument {
  readonly bundle: Bundle;
  /** Keys that were ignored and oddities that were let pass, in the order of the document. */
  readonly findings: readonly Finding[];
}

/** What a key of the document contributes. */
type ReadKey =
  | { readonly x509Authority: X509Authority }
  | { readonly x509Authority: X509Authority; readonly finding: Finding }
  | { readonly jwtAuthority: JwtAuthority }
  | { readonly finding: Finding };

const MAX_UINT64 = 2n ** 64n - 1n;
const KNOWN_KEY_TYPES: ReadonlySet<string> = new Set(['EC', 'RSA', 'OKP']);
/** JWT-SVID §2.1 allows no algorithm for another. */
const JWT_SVID_CURVES: ReadonlySet<string> = new Set(['P-256', 'P-384', 'P-521']);
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * Reads the document of one trust domain. What the standards tell a consumer to ignore is ignored and reported; all
 * else that is wrong refuses the whole document.
 *
 * @throws BundleError
 */
export function parseBundleDocument(
  bytes: Uint8Array,
  trustDomain: TrustDomain,
  limits: BundleDocumentLimits = BUNDLE_DOCUMENT_LIMITS,
): ParsedBundleDocument {
  if (bytes.length > limits.maxBytes) {
    throw new BundleError('DocumentTooLarge', `the document has ${bytes.length} bytes, more than ${limits.maxBytes}`);
  }
  const document = parseStrictJson(bytes, limits.maxDepth);
  if (!isJsonObject(document)) throw new BundleError('DocumentNotABundle', 'the document is not a JSON object');
  const keys = readKeys(document, limits).map(readKey);
  const jwtAuthorities = collectJwtAuthorities(keys);
  return {
    bundle: {
      trustDomain,
      x509Authorities: keys.flatMap((key) => ('x509Authority' in key ? [key.x509Authority] : [])),
      jwtAuthorities: [...jwtAuthorities.byKeyId.values()],
      sequenceNumber: readSequence(document.get('spiffe_sequence')),
      refreshHintSeconds: readRefreshHint(document.get('spiffe_refresh_hint')),
    },
    findings: [...keys.flatMap((key) => ('finding' in key ? [key.finding] : [])), ...jwtAuthorities.findings],
  };
}

function readKeys(document: JsonObject, { maxKeys }: BundleDocumentLimits): readonly JsonValue[] {
  const keys = document.get('keys');
  if (keys === undefined) {
    throw new BundleError('KeysMissing', 'the document has no "keys"; is this really a SPIFFE bundle endpoint?');
  }
  if (!isJsonArray(keys)) throw new BundleError('DocumentNotABundle', '"keys" is not a list');
  if (keys.length > maxKeys) {
    throw new BundleError('DocumentHasTooManyKeys', `the document has ${keys.length} keys, more than ${maxKeys}`);
  }
  return keys;
}

function readKey(key: JsonValue, index: number): ReadKey {
  const place = `keys[${index}]`;
  if (!isJsonObject(key)) throw new BundleError('KeyMalformed', `${place} is not a JSON object`);
  const [keyType, use] = [key.get('kty'), key.get('use')];
  if (typeof keyType !== 'string' || !KNOWN_KEY_TYPES.has(keyType)) {
    return { finding: findingOf('UnknownKeyType', `${place} has kty ${shown(keyType)}`, place) };
  }
  if (use === 'x509-svid') return readX509Key(key, place);
  if (use === 'jwt-svid') return readJwtKey(key, place);
  return { finding: findingOf('UnknownUse', `${place} has use ${shown(use)}`, place) };
}

function readX509Key(key: JsonObject, place: string): ReadKey {
  const chain = key.get('x5c');
  if (chain === undefined || (isJsonArray(chain) && chain.length === 0)) {
    return { finding: findingOf('CertificateMissing', `${place} has no certificate in x5c`, place) };
  }
  if (!isJsonArray(chain)) throw new BundleError('KeyMalformed', `${place}.x5c is not a list`);
  const [first] = chain;
  if (typeof first !== 'string' || !BASE64.test(first)) {
    throw new BundleError('CertificateMalformed', `${place}.x5c[0] is not base64`);
  }
  // Copied out of Node's pool, 8 KiB of which would live as long as this root.
  const x509Authority = new Uint8Array(Buffer.from(first, 'base64'));
  const certificate = at(place, () => readCertificate(x509Authority));
  if (hasPublicKeyMembers(key) && !saysKey(publicMembersOf(key), certificate.publicKey)) {
    return { finding: findingOf('KeyMismatch', `${place} says another key than its certificate`, place) };
  }
  if (chain.length === 1) return { x509Authority };
  return {
    x509Authority,
    finding: findingOf('ExtraCertificates', `${place}.x5c has ${chain.length} certificates; the first counts`, place),
  };
}

function readJwtKey(key: JsonObject, place: string): ReadKey {
  const keyId = key.get('kid');
  if (typeof keyId !== 'string' || keyId === '') {
    throw new BundleError('KeyIdMissing', `${place} is a jwt-svid key without "kid"`);
  }
  const unusable = (fault: string) => ({ finding: findingOf('UnusableJwtKey', `${place} has ${fault}`, place) });
  const curve = key.get('crv');
  if (key.get('kty') !== 'RSA' && typeof curve === 'string' && !JWT_SVID_CURVES.has(curve)) {
    return unusable(`the curve ${quoted(curve)}, with which no JWT-SVID can be signed`);
  }
  const publicKey = importJwk(publicMembersOf(key));
  if (publicKey === undefined) throw new BundleError('KeyMalformed', `${place} is not a public key that can be read`);
  const weakness = weaknessOf(describePublicKey(publicKey));
  if (weakness !== undefined) return unusable(weakness);
  return { jwtAuthority: { keyId, publicKey: publicKey.export({ format: 'der', type: 'spki' }) } };
}

function collectJwtAuthorities(keys: readonly ReadKey[]): {
  readonly byKeyId: ReadonlyMap<string, JwtAuthority>;
  readonly findings: readonly Finding[];
} {
  const byKeyId = new Map<string, JwtAuthority>();
  const findings: Finding[] = [];
  for (const key of keys) {
    if (!('jwtAuthority' in key)) continue;
    const { keyId } = key.jwtAuthority;
    if (byKeyId.has(keyId)) {
      findings.push(
        findingOf('DuplicateKeyId', `key id ${shown(keyId)} is there more than once; the last counts`, shown(keyId)),
      );
    }
    byKeyId.set(keyId, key.jwtAuthority);
  }
  return { byKeyId, findings };
}

function readSequence(value: JsonValue | undefined): bigint | undefined {
  if (value === undefined) return undefined;
  if (isJsonNumber(value) && /^\d+$/.test(value.digits)) {
    const sequence = BigInt(value.digits);
    if (sequence <= MAX_UINT64) return sequence;
  }
  throw new BundleError('SequenceInvalid', `spiffe_sequence is ${shown(value)}, not an integer of 64 bits`);
}

function readRefreshHint(value: JsonValue | undefined): number | undefined {
  if (value === undefined) return undefined;
  const seconds = isJsonNumber(value) && /^\d+$/.test(value.digits) ? Number(value.digits) : Number.NaN;
  if (Number.isSafeInteger(seconds)) return seconds;
  throw new BundleError('RefreshHintInvalid', `spiffe_refresh_hint is ${shown(value)}, not whole seconds`);
}

function hasPublicKeyMembers(key: JsonObject): boolean {
  return PUBLIC_KEY_MEMBERS.some((name) => key.has(name));
}

/** The members that make the public key; what is no text makes none. */
function publicMembersOf(key: JsonObject): JsonWebKey {
  const jwk: JsonWebKey = {};
  for (const name of ['kty', ...PUBLIC_KEY_MEMBERS] as const) {
    const value = key.get(name);
    if (typeof value === 'string') jwk[name] = value;
  }
  return jwk;
}

function at<T>(place: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof BundleError) throw new BundleError(error.code, `${place}: ${error.message}`, { cause: error });
    throw error;
  }
}

/** A value of the document within a message: short, and on one line. */
function shown(value: JsonValue | undefined): string {
  if (value === undefined) return 'missing';
  if (isJsonNumber(value)) return cut(value.digits);
  if (typeof value === 'string') return quoted(value);
  return typeof value === 'object' && value !== null ? 'a structure' : String(value);
}

/**
 * Writes a bundle so that SPIRE 1.14 and later and go-spiffe read it: one key a root, with the members of its public
 * key beside x5c; no use that they do not know. The same bundle gives the same bytes, whatever the order of its keys.
 */
export function serializeBundle(
  bundle: Bundle,
  { refreshHintSeconds }: { readonly refreshHintSeconds: number },
): Buffer {
  const { x509Authorities, jwtAuthorities, sequenceNumber } = canonicalBundle(bundle);
  const keys = [
    ...x509Authorities.map((der) => ({
      use: 'x509-svid',
      ...publicMembers(readCertificate(der).publicKey),
      x5c: [Buffer.from(der).toString('base64')],
    })),
    ...jwtAuthorities.map(({ keyId, publicKey }) => ({
      use: 'jwt-svid',
      ...publicMembers(
        describePublicKey(createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' })),
      ),
      kid: keyId,
    })),
  ];
  // JSON.stringify cannot write a bigint; nothing else in the document can end in this text.
  const sequence = sequenceNumber === undefined ? '' : `,"spiffe_sequence":${sequenceNumber.toString()}`;
  return Buffer.from(`{"keys":${JSON.stringify(keys)}${sequence},"spiffe_refresh_hint":${refreshHintSeconds}}\n`);
}

function publicMembers({ jwk, type }: PublicKey): JsonWebKey {
  if (jwk === undefined) throw new Error(`a key of the type ${type} cannot be written into a bundle document`);
  return jwk;
}
