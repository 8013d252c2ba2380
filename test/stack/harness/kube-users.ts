// How does a test speak to a kube-apiserver as any user of any groups? With a certificate of an authority made here.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

export interface KubeUser {
  readonly user: string;
  /** Besides `system:authenticated`; default none. `system:masters` may do everything. */
  readonly groups?: readonly string[];
}

/** PEM. */
export interface ClientCertificate {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

export interface UserAuthority {
  /** What kube-apiserver takes as `--client-ca-file`. */
  readonly certificatePem: string;
  issue(user: KubeUser): Promise<ClientCertificate>;
}

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 86_400_000;

export async function createUserAuthority(): Promise<UserAuthority> {
  const keys = await webcrypto.subtle.generateKey(ECDSA, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=users of the test',
    keys,
    ...validity(),
    signingAlgorithm: ECDSA,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
    ],
  });
  return {
    certificatePem: certificate.toString('pem'),
    issue: (user) => issue(certificate, keys.privateKey, user),
  };
}

/** The common name is the user, each organization a group. */
async function issue(
  authority: X509Certificate,
  signingKey: webcrypto.CryptoKey,
  { user, groups = [] }: KubeUser,
): Promise<ClientCertificate> {
  const keys = await webcrypto.subtle.generateKey(ECDSA, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.create({
    subject: [{ CN: [user] }, ...groups.map((group) => ({ O: [group] }))],
    issuer: authority.subject,
    publicKey: keys.publicKey,
    signingKey,
    ...validity(),
    signingAlgorithm: ECDSA,
    extensions: [
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth]),
    ],
  });
  return {
    certificatePem: certificate.toString('pem'),
    privateKeyPem: PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY'),
  };
}

function validity(): { readonly notBefore: Date; readonly notAfter: Date } {
  const nowMs = Date.now();
  return { notBefore: new Date(nowMs - 60_000), notAfter: new Date(nowMs + DAY_MS) };
}
