// Which public key is this, however it is written, and is it strong enough? (RFC 7517, RFC 7518 §6, RFC 7638)
import { createHash, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';

/** The members of a JWK that make a public key, beside `kty`. */
export const PUBLIC_KEY_MEMBERS = ['crv', 'x', 'y', 'n', 'e'] as const;

/** What is kept of a key: OpenSSL's own object of it would cost more than all this. */
export interface PublicKey {
  /** SHA-256 in lower-case hex. The same key has the same, however its bytes are encoded. */
  readonly fingerprint: string;
  /** OpenSSL's name of its kind, for example `ec` or `rsa`. */
  readonly type: string;
  /** As JWK names it, for example `P-256`; as OpenSSL does where JWK has no name for it. */
  readonly curve: string | undefined;
  /** Of RSA and DSA. */
  readonly modulusBits: number | undefined;
  /** `kty` and the members above; undefined for keys that JWK cannot say, for example DSA. */
  readonly jwk: JsonWebKey | undefined;
}

/** NIST SP 800-57 part 1 §5.6.1, RFC 7518 §3.3. */
const MIN_MODULUS_BITS = 2048;
const MIN_CURVE_BITS = 256;

export function describePublicKey(key: KeyObject): PublicKey {
  const jwk = jwkOf(key);
  // OpenSSL takes its time over these: they are asked for only where the JWK does not say as much.
  const details = jwk?.crv === undefined ? key.asymmetricKeyDetails : undefined;
  // Without JWK the encoding has to do.
  const identity = jwk === undefined ? key.export({ format: 'der', type: 'spki' }) : thumbprintInput(jwk);
  return {
    fingerprint: createHash('sha256').update(identity).digest('hex'),
    type: key.asymmetricKeyType ?? 'unknown',
    curve: jwk?.crv ?? details?.namedCurve,
    modulusBits: details?.modulusLength,
    jwk,
  };
}

/** The public key that the members of a JWK make, all of them text; undefined when they make none. */
export function importJwk(jwk: JsonWebKey): KeyObject | undefined {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    return undefined;
  }
}

/** Whether a JWK says this key, in whatever spelling: leading zeros are allowed to differ. */
export function saysKey(jwk: JsonWebKey, { jwk: expected, fingerprint }: PublicKey): boolean {
  if (expected !== undefined && thumbprintInput(jwk) === thumbprintInput(expected)) return true;
  const key = importJwk(jwk);
  return key !== undefined && describePublicKey(key).fingerprint === fingerprint;
}

/** Completes "it has …"; undefined when the key is strong enough. */
export function weaknessOf({ type, curve, modulusBits }: PublicKey): string | undefined {
  if (modulusBits !== undefined && modulusBits < MIN_MODULUS_BITS) return `a key of only ${modulusBits} bits`;
  if (type === 'dsa') return 'a DSA key';
  if (type !== 'ec') return undefined;
  const curveBits = Number(/(\d{3})/.exec(curve ?? '')?.[1] ?? MIN_CURVE_BITS);
  return curveBits < MIN_CURVE_BITS ? `a key on the curve ${curve ?? ''}` : undefined;
}

function jwkOf(key: KeyObject): JsonWebKey | undefined {
  try {
    const { kty, crv, x, y, n, e } = key.export({ format: 'jwk' });
    return JSON.parse(JSON.stringify({ kty, crv, x, y, n, e })) as JsonWebKey;
  } catch {
    return undefined;
  }
}

/** RFC 7638 §3: the required members alone, by name, and nothing between them. */
function thumbprintInput({ crv, e, kty, n, x, y }: JsonWebKey): string {
  return JSON.stringify({ crv, e, kty, n, x, y });
}
