// How is a CA taken out of an object that must not become empty? It stays, and was valid for a second in 1970.
import { readCertificate } from '../bundle/certificate.ts';
import { contentOf, DER_TAG, readDer, readDerValues } from '../bundle/der.ts';
import { encodeDer } from './write-der.ts';

const VERSION_TAG = 0xa0;
const UTC_TIME = 0x17;

/** After an optional version: serialNumber, signature, issuer, validity (RFC 5280 §4.1). */
const VALIDITY_INDEX = 3;

const LONG_AGO = encodeDer(
  DER_TAG.sequence,
  ...['700101000000Z', '700101000001Z'].map((time) => encodeDer(UTC_TIME, Buffer.from(time))),
);

/**
 * The same certificate with a validity that is over. Envoy 1.40.0 loads an expired root and refuses every leaf below it,
 * where an empty list would be refused itself and leave the old one in force (both measured). Its signature no longer
 * fits, which nobody checks of an anchor.
 *
 * @throws BundleError `CertificateMalformed`
 */
export function withdrawnAnchor(der: Uint8Array): Uint8Array {
  readCertificate(der);
  const [body, ...rest] = readDerValues(readDer(der, DER_TAG.sequence));
  const values = readDerValues(contentOf(body, DER_TAG.sequence));
  const index = VALIDITY_INDEX + (values[0]?.tag === VERSION_TAG ? 1 : 0);
  const changed = values.map(({ tag, content }, at) => (at === index ? LONG_AGO : encodeDer(tag, content)));
  return encodeDer(
    DER_TAG.sequence,
    encodeDer(DER_TAG.sequence, ...changed),
    ...rest.map(({ tag, content }) => encodeDer(tag, content)),
  );
}
