// What does a pod's token look like, for any service account and any lifetime? (Kubernetes, "Managing Service Accounts")
import { generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';

export const SERVICE_ACCOUNT_ISSUER = 'https://kubernetes.default.svc';

/** The API server takes a token for this long after its last second (go-jose's default). */
export const TOKEN_LEEWAY_SECONDS = 60;

export interface ServiceAccount {
  readonly namespace: string;
  readonly name: string;
  /** Of the object in the API server; a token of an earlier object of the same name is refused. */
  readonly uid: string;
}

export function createServiceAccountKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

/** As the API server signs them itself, which gives none for less than ten minutes. */
export function serviceAccountToken(key: KeyObject, account: ServiceAccount, lifetimeSeconds: number): string {
  const nowSeconds = Math.floor(Date.now() / 1000);
  const { namespace, name, uid } = account;
  const claims = {
    iss: SERVICE_ACCOUNT_ISSUER,
    aud: [SERVICE_ACCOUNT_ISSUER],
    sub: `system:serviceaccount:${namespace}:${name}`,
    jti: randomUUID(),
    iat: nowSeconds,
    nbf: nowSeconds,
    exp: nowSeconds + lifetimeSeconds,
    'kubernetes.io': { namespace, serviceaccount: { name, uid } },
  };
  const signed = `${base64Url({ alg: 'ES256', typ: 'JWT' })}.${base64Url(claims)}`;
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

function base64Url(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
