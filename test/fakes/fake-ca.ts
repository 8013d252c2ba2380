// Where do tests get certificates from? A tiny certification authority that can also make what no honest one would.
import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

export interface Issued {
  readonly der: Uint8Array;
  readonly pem: string;
  /** PKCS #8. */
  readonly keyPem: string;
  readonly keys: CryptoKeyPair;
}

type CryptoKeyPair = Awaited<ReturnType<typeof generateKeys>>;

/** All have the defaults of an honest certificate. */
export interface CertificateOptions {
  readonly subject?: string;
  readonly uris?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  /** Names of other kinds, as the library writes them. */
  readonly otherNames?: x509.JsonGeneralNames;
  readonly isCa?: boolean;
  readonly pathLength?: number;
  /** Undefined in the map: no keyUsage extension at all. */
  readonly keyUsage?: x509.KeyUsageFlags | 'None';
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly keys?: CryptoKeyPair;
  readonly algorithm?: KeyAlgorithm;
  /** Raw subject key id in hex; by default the key's. */
  readonly subjectKeyId?: string;
  readonly hasSubjectKeyId?: boolean;
  readonly otherExtensions?: readonly OtherExtension[];
}

export interface OtherExtension {
  readonly id: string;
  readonly isCritical: boolean;
  readonly value: Uint8Array;
}

export type KeyAlgorithm = 'P-256' | 'P-384' | 'RSA-2048' | 'RSA-1024' | 'RSA-2048-SHA-1' | 'Ed25519';

const ALGORITHMS: Readonly<Record<KeyAlgorithm, webcrypto.EcKeyGenParams & webcrypto.RsaHashedKeyGenParams>> = {
  'P-256': ec('P-256', 'SHA-256'),
  'P-384': ec('P-384', 'SHA-384'),
  'RSA-2048': rsa(2048, 'SHA-256'),
  'RSA-1024': rsa(1024, 'SHA-256'),
  'RSA-2048-SHA-1': rsa(2048, 'SHA-1'),
  Ed25519: { name: 'Ed25519' } as webcrypto.EcKeyGenParams & webcrypto.RsaHashedKeyGenParams,
};

function ec(namedCurve: string, hash: string) {
  return { name: 'ECDSA', namedCurve, hash } as unknown as webcrypto.EcKeyGenParams & webcrypto.RsaHashedKeyGenParams;
}

function rsa(modulusLength: number, hash: string) {
  const publicExponent = new Uint8Array([1, 0, 1]);
  return { name: 'RSASSA-PKCS1-v1_5', modulusLength, publicExponent, hash } as unknown as webcrypto.EcKeyGenParams &
    webcrypto.RsaHashedKeyGenParams;
}

const CA_USAGE = (x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign) as x509.KeyUsageFlags;

/** Far ahead, so that nothing rots. */
const NOT_BEFORE = new Date('2020-01-01T00:00:00Z');
const NOT_AFTER = new Date('2090-01-01T00:00:00Z');

export async function generateKeys(algorithm: KeyAlgorithm = 'P-256') {
  return webcrypto.subtle.generateKey(ALGORITHMS[algorithm], true, ['sign', 'verify']);
}

/** A certificate signed by `issuer`, or by itself. */
export async function makeCertificate(options: CertificateOptions = {}, issuer?: Issued): Promise<Issued> {
  const algorithm = ALGORITHMS[options.algorithm ?? 'P-256'];
  const keys = options.keys ?? (await generateKeys(options.algorithm));
  const subject = options.subject ?? `CN=${randomBytes(6).toString('hex')}`;
  const issuerName = issuer === undefined ? subject : new x509.X509Certificate(Uint8Array.from(issuer.der)).subject;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: `00${randomBytes(8).toString('hex')}`,
    subject,
    issuer: issuerName,
    notBefore: options.notBefore ?? NOT_BEFORE,
    notAfter: options.notAfter ?? NOT_AFTER,
    publicKey: keys.publicKey,
    signingKey: issuer?.keys.privateKey ?? keys.privateKey,
    signingAlgorithm: issuer === undefined ? algorithm : signingAlgorithmOf(issuer.keys),
    extensions: await extensions(options, keys),
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  return {
    der: new Uint8Array(certificate.rawData),
    pem: `${certificate.toString('pem')}\n`,
    keyPem: `-----BEGIN PRIVATE KEY-----\n${pkcs8.toString('base64')}\n-----END PRIVATE KEY-----\n`,
    keys,
  };
}

function signingAlgorithmOf({ privateKey }: CryptoKeyPair) {
  return { hash: 'SHA-256', ...privateKey.algorithm } as (typeof ALGORITHMS)[KeyAlgorithm];
}

async function extensions(options: CertificateOptions, keys: CryptoKeyPair): Promise<x509.Extension[]> {
  const names: x509.JsonGeneralNames = [
    ...(options.uris ?? []).map((value) => ({ type: 'url' as const, value })),
    ...(options.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(options.ipAddresses ?? []).map((value) => ({ type: 'ip' as const, value })),
    ...(options.otherNames ?? []),
  ];
  const isCa = options.isCa ?? false;
  const usage: x509.KeyUsageFlags | 'None' =
    options.keyUsage ?? (isCa ? CA_USAGE : x509.KeyUsageFlags.digitalSignature);
  return [
    new x509.BasicConstraintsExtension(isCa, options.pathLength, true),
    ...(usage === 'None' ? [] : [new x509.KeyUsagesExtension(usage, true)]),
    ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
    ...(options.hasSubjectKeyId === false ? [] : [await subjectKeyId(options, keys)]),
    ...(options.otherExtensions ?? []).map(
      ({ id, isCritical, value }) => new x509.Extension(id, isCritical, Uint8Array.from(value)),
    ),
  ];
}

async function subjectKeyId(options: CertificateOptions, keys: CryptoKeyPair): Promise<x509.Extension> {
  return options.subjectKeyId === undefined
    ? x509.SubjectKeyIdentifierExtension.create(keys.publicKey)
    : new x509.SubjectKeyIdentifierExtension(options.subjectKeyId);
}

/** A root of a trust domain, as SPIRE makes them. */
export function makeRoot(trustDomain: string, options: CertificateOptions = {}): Promise<Issued> {
  return makeCertificate({
    isCa: true,
    uris: [`spiffe://${trustDomain}`],
    subject: `CN=root of ${trustDomain}, OU=${randomBytes(6).toString('hex')}`,
    ...options,
  });
}

/** A leaf that is an X.509-SVID unless the options say otherwise. */
export function makeSvid(issuer: Issued, spiffeId: string, options: CertificateOptions = {}): Promise<Issued> {
  return makeCertificate({ uris: [spiffeId], ...options }, issuer);
}
