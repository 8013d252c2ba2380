// What does somebody have who broke into a real spire-server? Its authority, key included. (SPIRE's KeyManager "disk")
import 'reflect-metadata';
import { createPrivateKey, createPublicKey, webcrypto, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import * as x509 from '@peculiar/x509';
import { readCertificate } from '../../bundle/certificate.ts';
import type { TrustDomain } from '../../bundle/trust-domain.ts';
import type { X509SigningAuthority } from '../../dev-spire/x509-authority.ts';
import { openSpireServer } from '../../spire/spire-server.ts';

const P256 = { name: 'ECDSA', namedCurve: 'P-256' } as const;

interface Place {
  readonly socketPath: string;
  readonly trustDomain: TrustDomain;
  readonly keysPath: string;
}

/** The active one. */
export async function stolenAuthority({ socketPath, trustDomain, keysPath }: Place): Promise<X509SigningAuthority> {
  const der = await activeRoot(socketPath, trustDomain);
  const certificate = new x509.X509Certificate(Uint8Array.from(der));
  const publicKey = Buffer.from(certificate.publicKey.rawData);
  const key = (await keysIn(keysPath)).find((candidate) => publicKeyOf(candidate).equals(publicKey));
  if (key === undefined) throw new Error(`the key with which ${trustDomain} signs is not in ${keysPath}`);
  const pkcs8 = key.export({ format: 'der', type: 'pkcs8' });
  return {
    id: readCertificate(der).subjectKeyId ?? '',
    issuedAt: certificate.notBefore,
    expiresAt: certificate.notAfter,
    certificate,
    privateKey: await webcrypto.subtle.importKey('pkcs8', pkcs8, P256, false, ['sign']),
  };
}

async function activeRoot(socketPath: string, trustDomain: TrustDomain): Promise<Uint8Array> {
  const spire = openSpireServer({ socketPath, trustDomain });
  try {
    const [{ x509Authorities }, { active }] = await Promise.all([
      spire.readOwnBundle(),
      spire.localAuthorities.x509.state(),
    ]);
    const root = x509Authorities.find((der) => readCertificate(der).subjectKeyId === active.id);
    if (root === undefined) throw new Error(`the bundle of ${trustDomain} lacks the root that signs`);
    return root;
  } finally {
    spire.close();
  }
}

/** SPIRE writes each key as PKCS #8 in Base64, under a name for its slot. */
async function keysIn(path: string): Promise<readonly KeyObject[]> {
  const { keys } = JSON.parse(await readFile(path, 'utf8')) as { readonly keys: Readonly<Record<string, string>> };
  return Object.values(keys).map((base64) =>
    createPrivateKey({ key: Buffer.from(base64, 'base64'), format: 'der', type: 'pkcs8' }),
  );
}

function publicKeyOf(key: KeyObject): Buffer {
  return createPublicKey(key).export({ format: 'der', type: 'spki' });
}
