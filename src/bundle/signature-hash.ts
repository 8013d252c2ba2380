// With which hash was this certificate signed? (RFC 3279 §2.2, RFC 4055, RFC 5758)
import { contentOf, DER_TAG, readDer, readDerValues, readObjectIdentifier } from './der.ts';

const RSA_PSS = '1.2.840.113549.1.1.10';
/** hashAlgorithm among the parameters of RSASSA-PSS. */
const PSS_HASH_TAG = 0xa0;
const PSS_DEFAULT_HASH = 'SHA-1';
const NO_PARAMETERS = new Uint8Array();

/** By the object identifier of the signature algorithm, or of the hash itself (RSASSA-PSS names it apart). */
const HASHES: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.1.1.2', 'MD2'],
  ['1.2.840.113549.1.1.3', 'MD4'],
  ['1.2.840.113549.1.1.4', 'MD5'],
  ['1.2.840.113549.1.1.5', 'SHA-1'],
  ['1.2.840.113549.1.1.14', 'SHA-224'],
  ['1.2.840.113549.1.1.11', 'SHA-256'],
  ['1.2.840.113549.1.1.12', 'SHA-384'],
  ['1.2.840.113549.1.1.13', 'SHA-512'],
  ['1.3.14.3.2.29', 'SHA-1'],
  ['1.2.840.10040.4.3', 'SHA-1'],
  ['2.16.840.1.101.3.4.3.1', 'SHA-224'],
  ['2.16.840.1.101.3.4.3.2', 'SHA-256'],
  ['1.2.840.10045.4.1', 'SHA-1'],
  ['1.2.840.10045.4.3.1', 'SHA-224'],
  ['1.2.840.10045.4.3.2', 'SHA-256'],
  ['1.2.840.10045.4.3.3', 'SHA-384'],
  ['1.2.840.10045.4.3.4', 'SHA-512'],
  ['1.2.840.113549.2.5', 'MD5'],
  ['1.3.14.3.2.26', 'SHA-1'],
  ['2.16.840.1.101.3.4.2.4', 'SHA-224'],
  ['2.16.840.1.101.3.4.2.1', 'SHA-256'],
  ['2.16.840.1.101.3.4.2.2', 'SHA-384'],
  ['2.16.840.1.101.3.4.2.3', 'SHA-512'],
]);

/**
 * The name of the hash, for example `SHA-256`; undefined where the algorithm fixes it (Ed25519) or is not known here.
 *
 * @param algorithm The content of an AlgorithmIdentifier.
 * @throws DerError
 */
export function signatureHash(algorithm: Uint8Array): string | undefined {
  const [id, parameters] = readDerValues(algorithm);
  const name = readObjectIdentifier(contentOf(id, DER_TAG.objectIdentifier));
  return name === RSA_PSS ? pssHash(parameters?.content ?? NO_PARAMETERS) : HASHES.get(name);
}

function pssHash(parameters: Uint8Array): string | undefined {
  const hash = readDerValues(parameters).find(({ tag }) => tag === PSS_HASH_TAG);
  if (hash === undefined) return PSS_DEFAULT_HASH;
  const [id] = readDerValues(readDer(hash.content, DER_TAG.sequence));
  return HASHES.get(readObjectIdentifier(contentOf(id, DER_TAG.objectIdentifier)));
}
