// Is this certificate an X.509-SVID, and whose? (X509-SVID §2, §4, §5: the rules for a leaf, not its signature)
import { BundleError } from './bundle-error.ts';
import { readExtensions } from './certificate.ts';
import { parseSpiffeId, pathOf, type SpiffeId } from './spiffe-id.ts';

/**
 * The SPIFFE ID of a leaf. Chain, dates and signature are not looked at: TLS verifies those.
 *
 * @throws BundleError `SvidInvalid`, `CertificateMalformed`
 */
export function checkX509SvidLeaf(der: Uint8Array): SpiffeId {
  const { isCa, keyUsage, uriSans } = readExtensions(der);
  const refuse = (fault: string) => new BundleError('SvidInvalid', `the certificate is no X.509-SVID: ${fault}`);
  if (isCa) throw refuse('it is a CA certificate');
  if (keyUsage?.keyCertSign === true || keyUsage?.cRLSign === true)
    throw refuse('its key may sign certificates or CRLs');
  if (keyUsage?.digitalSignature !== true) throw refuse('its key usage does not allow digital signatures');
  const [uri, ...others] = uriSans;
  if (uri === undefined) throw refuse('it has no URI among its subject alternative names');
  if (others.length > 0) throw refuse(`it has ${uriSans.length} URIs where one is allowed`);
  const id = spiffeIdOf(uri);
  if (pathOf(id) === undefined) throw refuse(`its ID ${id} names a trust domain, not a workload`);
  return id;
}

function spiffeIdOf(uri: string): SpiffeId {
  try {
    return parseSpiffeId(uri);
  } catch (error) {
    throw new BundleError('SvidInvalid', `the certificate is no X.509-SVID: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
