// How does SPIRE Server make a JWT key and sign a JWT-SVID? (ES256, key id of 32 letters and digits)
import { createPublicKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import type { SpiffeId } from '../bundle/spiffe-id.ts';
import type { Lifetime, SlotAuthority } from './authority-slots.ts';

export interface JwtSigningAuthority extends SlotAuthority {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  readonly privateKey: KeyObject;
}

export interface JwtClaims {
  readonly id: SpiffeId;
  readonly audience: readonly string[];
  readonly life: Lifetime;
}

export function makeJwtAuthority(life: Lifetime): JwtSigningAuthority {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    id: randomBytes(16).toString('hex'),
    issuedAt: life.from,
    expiresAt: life.until,
    publicKey: publicKey.export({ format: 'der', type: 'spki' }),
    privateKey,
  };
}

export function signJwtSvid(authority: JwtSigningAuthority, { id, audience, life }: JwtClaims): string {
  const header = { alg: 'ES256', kid: authority.id, typ: 'JWT' };
  const claims = { aud: audience, exp: unixSeconds(life.until), iat: unixSeconds(life.from), sub: id };
  const input = `${base64UrlJson(header)}.${base64UrlJson(claims)}`;
  const signature = sign('sha256', Buffer.from(input), { key: authority.privateKey, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}

/** Throws for what is not a SubjectPublicKeyInfo. */
export function checkPublicKey(der: Uint8Array): void {
  createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
}

export function unixSeconds(date: Date): number {
  return Math.floor(date.getTime() / 1000);
}

function base64UrlJson(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
