// Why did a bundle endpoint not give us a document? (Node's and OpenSSL's codes, read into words that say what to try)

export type EndpointErrorCode =
  | 'UrlInvalid'
  | 'NoAuthorities'
  | 'NameNotResolved'
  | 'ConnectFailed'
  | 'ConnectTimeout'
  | 'DeadlineExceeded'
  | 'ConnectionLost'
  | 'TlsFailed'
  | 'EndpointRootUnknown'
  | 'PinnedRootMissing'
  | 'EndpointIdWrong'
  | 'EndpointCertificateExpired'
  | 'EndpointCertificateInvalid'
  | 'ProfileMismatch'
  | 'WebCertificateUntrusted'
  | 'WebNameWrong'
  | 'StatusUnexpected'
  | 'ContentIsHtml'
  | 'EncodingUnsupported'
  | 'BodyTooLarge'
  | 'HeadersTooLarge'
  | 'RedirectRefused'
  | 'TooManyRedirects'
  | 'Cancelled';

/** The one error of `src/bundle-endpoint`. */
export class EndpointError extends Error {
  override readonly name = 'EndpointError';
  readonly code: EndpointErrorCode;

  constructor(code: EndpointErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

interface Reading {
  /** Codes of Node or OpenSSL. */
  readonly codes: readonly string[];
  readonly code: EndpointErrorCode;
  readonly advice: string;
}

/** What a broken connection says; identity failures are read with the profile in hand, in `identity-failure.ts`. */
const READINGS: readonly Reading[] = [
  {
    codes: ['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA', 'EAI_NONAME'],
    code: 'NameNotResolved',
    advice: 'the host name cannot be resolved; check bundleEndpointURL and DNS',
  },
  {
    codes: ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EACCES', 'EADDRNOTAVAIL'],
    code: 'ConnectFailed',
    advice: 'no connection; check that the endpoint runs and that the network lets us through',
  },
  { codes: ['ETIMEDOUT'], code: 'ConnectTimeout', advice: 'no connection in time; check the network on the way' },
  {
    codes: ['ECONNRESET', 'EPIPE', 'HPE_INVALID_EOF_STATE', 'HPE_CLOSED_CONNECTION'],
    code: 'ConnectionLost',
    advice: 'the connection was cut; the next regular fetch tries again',
  },
  {
    codes: ['HPE_HEADER_OVERFLOW'],
    code: 'HeadersTooLarge',
    advice: 'the headers of the answer are larger than allowed',
  },
  {
    codes: ['EPROTO', 'ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'],
    code: 'TlsFailed',
    advice: 'TLS failed; is this really an HTTPS port?',
  },
];

/** Reads a failure of a connection; what has no row is a failure of TLS or HTTP that nobody has met yet. */
export function endpointErrorOf(where: string, error: unknown): EndpointError {
  if (error instanceof EndpointError) return error;
  for (const code of codesOf(error)) {
    const reading = READINGS.find(({ codes }) => codes.includes(code));
    if (reading !== undefined) {
      return new EndpointError(reading.code, `${where}: ${reading.advice} (${code})`, { cause: error });
    }
  }
  const [code = 'no code'] = codesOf(error);
  const isTls = /^ERR_(SSL|TLS)_/.test(code);
  const text = error instanceof Error ? error.message : String(error);
  return new EndpointError(isTls ? 'TlsFailed' : 'ConnectionLost', `${where}: ${text} (${code})`, { cause: error });
}

/** Of the error and its causes, the outermost first; attempts at several addresses come as one error. */
export function codesOf(error: unknown): string[] {
  const codes: string[] = [];
  for (let each = error, depth = 0; each instanceof Error && depth < 8; each = each.cause, depth++) {
    const { code, errors } = each as { readonly code?: unknown; readonly errors?: unknown };
    if (typeof code === 'string') codes.push(code);
    if (Array.isArray(errors)) codes.push(...errors.flatMap(codesOf));
  }
  return codes;
}
