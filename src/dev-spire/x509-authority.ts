// How does SPIRE Server make a root and sign an X509-SVID? (self-signed P-256 root with the trust domain as URI SAN)
import 'reflect-metadata';
import { createHash, randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { parseSpiffeId, type SpiffeId } from '../bundle/spiffe-id.ts';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Lifetime, SlotAuthority } from './authority-slots.ts';

export interface X509SigningAuthority extends SlotAuthority {
  readonly certificate: x509.X509Certificate;
  readonly privateKey: webcrypto.CryptoKey;
}

/** What SPIRE takes from a certificate signing request. */
export interface SigningRequest {
  readonly id: SpiffeId;
  readonly dnsNames: readonly string[];
  readonly publicKey: x509.PublicKey;
  readonly subject: string;
}

const P256 = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const ECDSA_SHA256 = { name: 'ECDSA', hash: 'SHA-256' } as const;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';
const SERIAL_NUMBER_ATTRIBUTE = '2.5.4.5';

/** SPIRE backdates `notBefore` so that clocks may differ a little. */
const BACKDATE_MS = 10_000;

export async function makeX509Authority(trustDomain: TrustDomain, life: Lifetime): Promise<X509SigningAuthority> {
  const keys = await webcrypto.subtle.generateKey(P256, false, ['sign', 'verify']);
  const serialNumber = makeSerialNumber();
  const subjectKeyId = await subjectKeyIdOf(keys.publicKey);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber,
    name: [{ C: ['US'] }, { O: ['SPIFFE'] }, { [SERIAL_NUMBER_ATTRIBUTE]: [BigInt(`0x${serialNumber}`).toString()] }],
    notBefore: new Date(life.from.getTime() - BACKDATE_MS),
    notAfter: life.until,
    keys,
    signingAlgorithm: ECDSA_SHA256,
    extensions: [
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.SubjectKeyIdentifierExtension(subjectKeyId),
      new x509.SubjectAlternativeNameExtension([{ type: 'url', value: `spiffe://${trustDomain}` }]),
    ],
  });
  return {
    id: subjectKeyId,
    issuedAt: life.from,
    expiresAt: certificate.notAfter,
    certificate,
    privateKey: keys.privateKey,
  };
}

/** The leaf; its lifetime ends with the authority's at the latest. */
export async function signX509Svid(
  authority: X509SigningAuthority,
  request: SigningRequest,
  life: Lifetime,
): Promise<x509.X509Certificate> {
  const publicKey = (await request.publicKey.export()) as webcrypto.CryptoKey;
  const [commonName] = request.dnsNames;
  const subject = request.subject === '' ? 'C=US, O=SPIRE' : request.subject;
  return x509.X509CertificateGenerator.create({
    serialNumber: makeSerialNumber(),
    subject: commonName === undefined ? subject : `${subject}, CN=${commonName}`,
    issuer: authority.certificate.subjectName,
    notBefore: new Date(life.from.getTime() - BACKDATE_MS),
    notAfter: life.until < authority.expiresAt ? life.until : authority.expiresAt,
    signingKey: authority.privateKey,
    publicKey,
    signingAlgorithm: ECDSA_SHA256,
    extensions: [
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment | x509.KeyUsageFlags.keyAgreement,
        true,
      ),
      new x509.ExtendedKeyUsageExtension([SERVER_AUTH, CLIENT_AUTH]),
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.SubjectKeyIdentifierExtension(await subjectKeyIdOf(publicKey)),
      new x509.AuthorityKeyIdentifierExtension(authority.id),
      new x509.SubjectAlternativeNameExtension([
        { type: 'url', value: request.id },
        ...request.dnsNames.map((value) => ({ type: 'dns' as const, value })),
      ]),
    ],
  });
}

/** Throws Error with SPIRE's text for what it refuses in a request. */
export async function readSigningRequest(der: Uint8Array): Promise<SigningRequest> {
  const request = parseRequest(der);
  if (!(await request.verify())) {
    throw new Error('failed to verify CSR signature: x509: ECDSA verification failure');
  }
  const extension = request.getExtension(SUBJECT_ALTERNATIVE_NAME);
  const names = extension instanceof x509.SubjectAlternativeNameExtension ? extension.names.items : [];
  const uris = names.filter(({ type }) => type === 'url').map(({ value }) => value);
  const [uri, ...others] = uris;
  if (uri === undefined) throw new Error('CSR URI SAN is required');
  if (others.length > 0) throw new Error('only one URI SAN is expected');
  return {
    id: parseUriSan(uri),
    dnsNames: names.filter(({ type }) => type === 'dns').map(({ value }) => value),
    publicKey: request.publicKey,
    subject: request.subject,
  };
}

function parseRequest(der: Uint8Array): x509.Pkcs10CertificateRequest {
  try {
    return new x509.Pkcs10CertificateRequest(new Uint8Array(der));
  } catch (error) {
    throw new Error(`malformed CSR: ${(error as Error).message}`);
  }
}

function parseUriSan(uri: string): SpiffeId {
  try {
    return parseSpiffeId(uri);
  } catch (error) {
    throw new Error(`CSR URI SAN is invalid: ${(error as Error).message}`);
  }
}

/** 127 random bits, never negative in DER. */
function makeSerialNumber(): string {
  const bytes = randomBytes(16);
  bytes.writeUInt8(bytes.readUInt8(0) & 0x7f, 0);
  return bytes.toString('hex');
}

/** RFC 5280 §4.2.1.2 method 1, in hex: SPIRE's authority id. */
async function subjectKeyIdOf(key: webcrypto.CryptoKey): Promise<string> {
  // The uncompressed point is the content of the SubjectPublicKeyInfo's BIT STRING.
  const point = await webcrypto.subtle.exportKey('raw', key);
  return createHash('sha1').update(new Uint8Array(point)).digest('hex');
}
