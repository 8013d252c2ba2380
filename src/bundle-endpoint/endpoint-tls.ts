// When has a bundle endpoint proved its identity? (SPIFFE Federation §5.2.1.4 https_web, §5.2.2.4 https_spiffe)
import { checkServerIdentity, type ConnectionOptions } from 'node:tls';
import { toPem } from '../bundle/certificate.ts';
import { checkX509SvidLeaf } from '../bundle/x509-svid.ts';
import type { EndpointTrust } from '../federation/ports.ts';
import { EndpointError } from './endpoint-error.ts';

export const MIN_TLS_VERSION = 'TLSv1.2';

type EndpointTls = ConnectionOptions & { readonly checkServerIdentity: typeof checkServerIdentity };

/**
 * TLS options that accept exactly this endpoint. Each connection must be made afresh: a resumed session skips both the
 * chain and the identity check, so neither an agent nor a session may be given beside them.
 *
 * @throws EndpointError `NoAuthorities`: Node would take no authorities for "the public ones"
 */
export function endpointTlsOptions(trust: EndpointTrust): EndpointTls {
  if (trust.type === 'https_web') {
    return {
      minVersion: MIN_TLS_VERSION,
      checkServerIdentity,
      ...(trust.caPem !== undefined && { ca: [trust.caPem] }),
    };
  }
  if (trust.authorities.length === 0) {
    throw new EndpointError('NoAuthorities', `there is no authority to verify ${trust.endpointSpiffeId} with`);
  }
  return {
    minVersion: MIN_TLS_VERSION,
    ca: trust.authorities.map(toPem),
    // An authority of a bundle need not be self-signed (X509-SVID §6.1).
    allowPartialTrustChain: true,
    checkServerIdentity: (_host, certificate) => spiffeIdentityFault(certificate.raw, trust.endpointSpiffeId),
  };
}

function spiffeIdentityFault(der: Uint8Array, expected: string): EndpointError | undefined {
  try {
    const presented = checkX509SvidLeaf(der);
    if (presented === expected) return undefined;
    return new EndpointError(
      'EndpointIdWrong',
      `the endpoint is ${presented}, not ${expected}; check endpointSPIFFEID and where the URL leads`,
    );
  } catch (error) {
    return new EndpointError('EndpointCertificateInvalid', (error as Error).message, { cause: error });
  }
}
