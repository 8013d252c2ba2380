// When has a bundle endpoint proved its identity? (SPIFFE Federation §5.2.1.4 https_web, §5.2.2.4 https_spiffe)
import { checkServerIdentity, type ConnectionOptions, type PeerCertificate } from 'node:tls';
import { readExtensions, toPem } from '../bundle/certificate.ts';
import { checkX509SvidLeaf } from '../bundle/x509-svid.ts';
import type { EndpointTrust } from '../federation/ports.ts';
import { codesOf, EndpointError, endpointErrorOf } from './endpoint-error.ts';

/**
 * TLS options that accept exactly this endpoint. Each connection must be made afresh: a resumed session skips both the
 * chain and the identity check, so neither an agent nor a session may be given beside them.
 *
 * @throws EndpointError `NoAuthorities`: Node would take no authorities for "the public ones"
 */
export function endpointTlsOptions(trust: EndpointTrust): ConnectionOptions {
  if (trust.type === 'https_web') {
    return { minVersion: 'TLSv1.2', checkServerIdentity, ...(trust.caPem !== undefined && { ca: [trust.caPem] }) };
  }
  if (trust.authorities.length === 0) {
    throw new EndpointError('NoAuthorities', `there is no authority to verify ${trust.endpointSpiffeId} with`);
  }
  return {
    minVersion: 'TLSv1.2',
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

/** OpenSSL's names for a chain that ends in no authority we gave it. */
const UNTRUSTED_CODES = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
]);
const EXPIRED_CODES = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);
const INVALID_CODES = new Set([
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
  'CERT_REJECTED',
  'UNSPECIFIED',
]);

/** Reads a failed handshake. `presented`: the certificate that the endpoint showed, where it came so far. */
export function tlsFailure(
  where: string,
  error: unknown,
  trust: EndpointTrust,
  presented: PeerCertificate | undefined,
): EndpointError {
  const own = ownErrorWithin(error);
  if (own !== undefined) return new EndpointError(own.code, `${where}: ${own.message}`, { cause: own.cause });
  const codes = codesOf(error);
  const has = (set: ReadonlySet<string>) => codes.find((code) => set.has(code));
  const identity = describePresented(presented);
  const failed = (code: EndpointError['code'], text: string) =>
    new EndpointError(code, `${where}: ${text}`, { cause: error });

  const expired = has(EXPIRED_CODES);
  if (expired !== undefined) {
    return failed(
      'EndpointCertificateExpired',
      `the certificate of ${identity.text} is not valid now (${expired}); are the clocks right?`,
    );
  }
  const untrusted = has(UNTRUSTED_CODES);
  if (trust.type === 'https_web') {
    if (identity.spiffeId !== undefined && (untrusted !== undefined || codes.includes(WEB_NAME_CODE))) {
      return failed('ProfileMismatch', `the endpoint presents ${identity.spiffeId}: maybe its profile is https_spiffe`);
    }
    if (codes.includes(WEB_NAME_CODE)) {
      return failed('WebNameWrong', `the certificate is not for this host; check bundleEndpointURL (${WEB_NAME_CODE})`);
    }
    if (untrusted !== undefined) {
      return failed(
        'WebCertificateUntrusted',
        `the certificate chains to no trusted root (${untrusted}); for a private CA give webPKI.caBundle`,
      );
    }
  } else if (untrusted !== undefined) {
    if (presented !== undefined && identity.spiffeId === undefined) {
      return failed(
        'ProfileMismatch',
        `the endpoint presents ${identity.text} and no SPIFFE ID: maybe its profile is https_web`,
      );
    }
    return failed(
      'EndpointRootUnknown',
      `the certificate of ${identity.text} is signed by a root that is not held (${untrusted}).`,
    );
  }
  const invalid = has(INVALID_CODES);
  if (invalid !== undefined)
    return failed('EndpointCertificateInvalid', `the certificate of ${identity.text} is not valid (${invalid})`);
  return endpointErrorOf(where, error);
}

const WEB_NAME_CODE = 'ERR_TLS_CERT_ALTNAME_INVALID';

function ownErrorWithin(error: unknown): EndpointError | undefined {
  for (let each = error, depth = 0; each instanceof Error && depth < 8; each = each.cause, depth++) {
    if (each instanceof EndpointError) return each;
  }
  return undefined;
}

interface Presented {
  readonly spiffeId: string | undefined;
  readonly text: string;
}

/** What an unverified certificate claims, for a message only. */
function describePresented(presented: PeerCertificate | undefined): Presented {
  // Node gives an empty object when the endpoint showed none.
  if (presented === undefined || !Buffer.isBuffer(presented.raw)) return { spiffeId: undefined, text: 'the endpoint' };
  try {
    const { uriSans, dnsSans, authorityKeyId } = readExtensions(presented.raw);
    const spiffeId = uriSans.find((uri) => uri.startsWith('spiffe://'));
    const signer = authorityKeyId === undefined ? '' : ` (signed by the key ${authorityKeyId})`;
    return { spiffeId, text: `${spiffeId ?? dnsSans[0] ?? 'an unnamed subject'}${signer}` };
  } catch {
    return { spiffeId: undefined, text: 'the endpoint (unreadable)' };
  }
}
