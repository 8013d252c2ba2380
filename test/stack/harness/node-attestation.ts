// How does a SPIRE Agent prove to its server which node it is? With x509pop: a certificate of an authority made here.
import 'reflect-metadata';
import { createHash, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

export interface NodeIdentity {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  /** The path of the agent's SPIFFE ID. */
  readonly agentPath: string;
}

export interface NodeAuthority {
  readonly certificatePem: string;
  issue(nodeName: string): Promise<NodeIdentity>;
}

const RSA = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  publicExponent: new Uint8Array([1, 0, 1]),
  modulusLength: 2048,
};
const DAY_MS = 86_400_000;

export async function createNodeAuthority(name: string): Promise<NodeAuthority> {
  const keys = await webcrypto.subtle.generateKey(RSA, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=nodes of ${name}`,
    keys,
    ...validity(),
    signingAlgorithm: RSA,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
    ],
  });
  return {
    certificatePem: certificate.toString('pem'),
    issue: (nodeName) => issue(certificate, keys.privateKey, nodeName),
  };
}

async function issue(
  authority: X509Certificate,
  signingKey: webcrypto.CryptoKey,
  nodeName: string,
): Promise<NodeIdentity> {
  const keys = await webcrypto.subtle.generateKey(RSA, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.create({
    subject: `CN=${nodeName}`,
    issuer: authority.subject,
    publicKey: keys.publicKey,
    signingKey,
    ...validity(),
    signingAlgorithm: RSA,
    extensions: [new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true)],
  });
  const privateKey = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const fingerprint = createHash('sha1').update(Buffer.from(certificate.rawData)).digest('hex');
  return {
    certificatePem: certificate.toString('pem'),
    privateKeyPem: pem('PRIVATE KEY', privateKey),
    agentPath: `/spire/agent/x509pop/${fingerprint}`,
  };
}

function validity(): { readonly notBefore: Date; readonly notAfter: Date } {
  const nowMs = Date.now();
  return { notBefore: new Date(nowMs - 60_000), notAfter: new Date(nowMs + DAY_MS) };
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}
