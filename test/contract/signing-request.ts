// How does a test ask for an X509-SVID? (PKCS #10)
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

export interface RequestedNames {
  readonly uris: readonly string[];
  readonly dnsNames?: readonly string[];
}

/** A signed request with a new P-256 key, as DER. */
export async function makeSigningRequest({ uris, dnsNames = [] }: RequestedNames): Promise<Uint8Array> {
  const keys = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
  const names = [
    ...uris.map((value) => ({ type: 'url' as const, value })),
    ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
  ];
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)],
  });
  return new Uint8Array(request.rawData);
}
