// Which PEMs of its mesh config does istiod hand to its proxies? (measured on istiod 1.29.6)
import { X509Certificate } from 'node:crypto';
import type { MeshConfig } from './mesh-config.ts';

/** The certificates of mesh config are not as istiod has them; the message is istiod's own. */
export class TrustAnchorError extends Error {
  override readonly name = 'TrustAnchorError';
}

/**
 * The whole set, each text once, sorted. Only the first block of each text is looked at; what follows is passed on. Throws
 * {@link TrustAnchorError} for the first that is no CA certificate: then the whole set is refused.
 */
export function verifiedAnchors({ caCertificates }: MeshConfig): readonly string[] {
  const pems = caCertificates.flatMap(({ pem = '' }) => (pem === '' ? [] : [pem]));
  for (const pem of pems) verify(pem);
  return [...new Set(pems)].sort();
}

function verify(pem: string): void {
  const der = firstBlock(pem);
  if (der === undefined) throw new TrustAnchorError('failed to decode pem certificate');
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(der);
  } catch (error) {
    throw new TrustAnchorError(`failed to parse X.509 certificate: ${String(error)}`, { cause: error });
  }
  if (certificate.serialNumber.startsWith('-')) {
    throw new TrustAnchorError('failed to parse X.509 certificate: negative serial number');
  }
  if (!certificate.ca) throw new TrustAnchorError('certificate is not a CA certificate');
}

/** As Go's `pem.Decode`: the first block whose text is Base64; others before it are passed over. */
function firstBlock(text: string): Buffer | undefined {
  for (const [, , body = ''] of text.matchAll(/^-----BEGIN ([^\n]+)-----\r?\n([^-]*)-----END \1-----/gm)) {
    const base64 = body.replaceAll(/\s/g, '');
    if (/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(base64)) {
      return Buffer.from(base64, 'base64');
    }
  }
  return undefined;
}
