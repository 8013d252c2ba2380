// How is an X.509-SVID asked for? A fresh key and a PKCS #10 request with one URI. (X509-SVID §2, RFC 2986 §4)
import { generateKeyPair, sign } from 'node:crypto';
import { promisify } from 'node:util';
import type { SpiffeId } from '../bundle/spiffe-id.ts';

export interface SvidRequest {
  /** PKCS #10 in DER. */
  readonly csr: Uint8Array;
  /** PKCS #8. Never leaves the process. */
  readonly keyPem: string;
}

// Written here, value by value: a library for all of X.509 costs 15 MiB of memory for this one request.
const TAG = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  sequence: 0x30,
  set: 0x31,
  attributes: 0xa0,
  uri: 0x86,
} as const;

const OID = {
  /** 1.2.840.113549.1.9.14, RFC 2985 §5.4.2 */
  extensionRequest: Buffer.from('2a864886f70d01090e', 'hex'),
  /** 2.5.29.17, RFC 5280 §4.2.1.6 */
  subjectAltName: Buffer.from('551d11', 'hex'),
  /** 1.2.840.10045.4.3.2, RFC 5758 §3.2 */
  ecdsaWithSha256: Buffer.from('2a8648ce3d040302', 'hex'),
} as const;

export async function requestSvid(id: SpiffeId): Promise<SvidRequest> {
  const { privateKey, publicKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  const body = der(
    TAG.sequence,
    der(TAG.integer, Buffer.from([0])),
    // No subject: an X.509-SVID is named by its URI alone.
    der(TAG.sequence),
    publicKey.export({ format: 'der', type: 'spki' }),
    der(TAG.attributes, extensionRequest(id)),
  );
  const algorithm = der(TAG.sequence, der(TAG.objectIdentifier, OID.ecdsaWithSha256));
  const csr = der(TAG.sequence, body, algorithm, bitString(sign('sha256', body, privateKey)));
  return { csr, keyPem: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString() };
}

function extensionRequest(id: SpiffeId): Buffer {
  const names = der(TAG.sequence, der(TAG.uri, Buffer.from(id, 'ascii')));
  const extension = der(TAG.sequence, der(TAG.objectIdentifier, OID.subjectAltName), der(TAG.octetString, names));
  const extensions = der(TAG.sequence, extension);
  return der(TAG.sequence, der(TAG.objectIdentifier, OID.extensionRequest), der(TAG.set, extensions));
}

function bitString(bytes: Buffer): Buffer {
  const unusedBits = Buffer.from([0]);
  return der(TAG.bitString, unusedBits, bytes);
}

/** One value (X.690 §8.1); its length in as few octets as possible (§10.1). */
function der(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const octets = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...octets]), content]);
}
