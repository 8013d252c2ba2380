// Why did the endpoint not prove its identity? OpenSSL's verdict and the shown certificate, in words that say what to try.
import { readCertificate } from '../bundle/certificate.ts';
import type { EndpointTrust } from '../federation/ports.ts';
import { codesOf, EndpointError, type EndpointErrorCode } from './endpoint-error.ts';

type Kind = 'Untrusted' | 'OutOfDate' | 'OtherName' | 'Invalid';

/** Codes of OpenSSL and Node. */
const KINDS: ReadonlyMap<string, Kind> = new Map([
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'Untrusted'],
  ['UNABLE_TO_GET_ISSUER_CERT', 'Untrusted'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'Untrusted'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'Untrusted'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'Untrusted'],
  ['CERT_SIGNATURE_FAILURE', 'Untrusted'],
  ['CERT_UNTRUSTED', 'Untrusted'],
  ['CERT_HAS_EXPIRED', 'OutOfDate'],
  ['CERT_NOT_YET_VALID', 'OutOfDate'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'OtherName'],
  ['INVALID_CA', 'Invalid'],
  ['INVALID_PURPOSE', 'Invalid'],
  ['PATH_LENGTH_EXCEEDED', 'Invalid'],
  ['CERT_REJECTED', 'Invalid'],
  // Name constraints, among others.
  ['UNSPECIFIED', 'Invalid'],
]);

/** OpenSSL's code when the endpoint's certificate, and not the connection, was at fault. */
export function identityFailureCode(error: unknown): string | undefined {
  return codesOf(error).find((code) => KINDS.has(code));
}

interface Shown {
  readonly spiffeId: string | undefined;
  /** For a message. */
  readonly text: string;
}

interface Row {
  readonly kind: Kind;
  readonly profile: EndpointTrust['type'] | 'any';
  readonly applies?: (shown: Shown, wasShown: boolean) => boolean;
  readonly code: EndpointErrorCode;
  readonly text: (shown: Shown) => string;
}

/** Read from the top; the first row that fits says what is wrong. */
const ROWS: readonly Row[] = [
  {
    kind: 'OutOfDate',
    profile: 'any',
    code: 'EndpointCertificateExpired',
    text: ({ text }) => `the certificate of ${text} is not valid now; are the clocks right?`,
  },
  ...(['Untrusted', 'OtherName'] as const).map((kind): Row => ({
    kind,
    profile: 'https_web',
    applies: ({ spiffeId }) => spiffeId !== undefined,
    code: 'ProfileMismatch',
    text: ({ spiffeId = '' }) => `the endpoint presents ${spiffeId}: maybe its profile is https_spiffe`,
  })),
  {
    kind: 'OtherName',
    profile: 'https_web',
    code: 'WebNameWrong',
    text: ({ text }) => `the certificate of ${text} is not for this host; check bundleEndpointURL`,
  },
  {
    kind: 'Untrusted',
    profile: 'https_web',
    code: 'WebCertificateUntrusted',
    text: ({ text }) =>
      `the certificate of ${text} chains to no trusted root; for a private authority give webPKI.caBundle`,
  },
  {
    kind: 'Untrusted',
    profile: 'https_spiffe',
    applies: ({ spiffeId }, wasShown) => wasShown && spiffeId === undefined,
    code: 'ProfileMismatch',
    text: ({ text }) => `the endpoint presents ${text} and no SPIFFE ID: maybe its profile is https_web`,
  },
  {
    kind: 'Untrusted',
    profile: 'https_spiffe',
    code: 'EndpointRootUnknown',
    text: ({ text }) => `the certificate of ${text} is signed by a root that is not held`,
  },
];

/** `shownDer`: the certificate that the endpoint shows, where it could be seen. */
export function identityFailure(
  where: string,
  error: unknown,
  trust: EndpointTrust,
  shownDer: Uint8Array | undefined,
): EndpointError {
  const cause = identityFailureCode(error) ?? 'no code';
  const kind = KINDS.get(cause);
  const shown = describe(shownDer);
  const row = ROWS.find(
    (each) =>
      each.kind === kind &&
      (each.profile === 'any' || each.profile === trust.type) &&
      each.applies?.(shown, shownDer !== undefined) !== false,
  );
  const code = row?.code ?? 'EndpointCertificateInvalid';
  const text = row?.text(shown) ?? `the certificate of ${shown.text} is not valid`;
  return new EndpointError(code, `${where}: ${text} (${cause})`, { cause: error });
}

/** What an unverified certificate claims. */
function describe(der: Uint8Array | undefined): Shown {
  if (der === undefined) return { spiffeId: undefined, text: 'the endpoint' };
  try {
    const { uriSans, dnsSans, authorityKeyId } = readCertificate(der);
    const spiffeId = uriSans.find((uri) => uri.startsWith('spiffe://'));
    const signer = authorityKeyId === undefined ? '' : `, by the key ${authorityKeyId},`;
    return { spiffeId, text: `${spiffeId ?? dnsSans[0] ?? 'an unnamed subject'}${signer}` };
  } catch {
    return { spiffeId: undefined, text: 'the endpoint, which cannot be read,' };
  }
}
