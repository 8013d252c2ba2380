// How is an X.509-SVID asked for? A fresh key and a PKCS #10 request with one URI. (X509-SVID §2, RFC 2986)
import 'reflect-metadata';
import { generateKeyPair, webcrypto } from 'node:crypto';
import { promisify } from 'node:util';
import * as x509 from '@peculiar/x509';
import type { SpiffeId } from '../bundle/spiffe-id.ts';

export interface SvidRequest {
  /** PKCS #10 in DER. */
  readonly csr: Uint8Array;
  /** PKCS #8. Never leaves the process. */
  readonly keyPem: string;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

export async function requestSvid(id: SpiffeId): Promise<SvidRequest> {
  const pair = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  const keyPem = pair.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  const { subtle } = webcrypto;
  const keys = {
    privateKey: await subtle.importKey(
      'pkcs8',
      pair.privateKey.export({ format: 'der', type: 'pkcs8' }),
      ALGORITHM,
      true,
      ['sign'],
    ),
    publicKey: await subtle.importKey('spki', pair.publicKey.export({ format: 'der', type: 'spki' }), ALGORITHM, true, [
      'verify',
    ]),
  };
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'url', value: id }])],
  });
  return { csr: new Uint8Array(request.rawData), keyPem };
}
