// Which key does this certificate have, as a pin names it? (RFC 7469 §2.4: SHA-256 over the SubjectPublicKeyInfo)
import { createHash, X509Certificate } from 'node:crypto';
import { remembered } from './remembered.ts';

const PIN_PATTERN = /^sha256\/([A-Za-z0-9+/]{43}=)$/;

/** The pin of the certificate's key: SHA-256 in hexadecimal. */
export const pinOfCertificate = remembered((der: Uint8Array): string => {
  const spki = new X509Certificate(der).publicKey.export({ format: 'der', type: 'spki' });
  return createHash('sha256').update(spki).digest('hex');
});

/** Reads `sha256/` and 32 bytes in base64; the pin in hexadecimal, or undefined when the text is none. */
export function parsePin(text: string): string | undefined {
  const base64 = PIN_PATTERN.exec(text)?.[1];
  if (base64 === undefined) return undefined;
  const bytes = Buffer.from(base64, 'base64');
  return bytes.toString('base64') === base64 ? bytes.toString('hex') : undefined;
}
