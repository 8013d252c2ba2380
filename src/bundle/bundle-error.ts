// Why can this text not be read as a SPIFFE name or bundle? (SPIFFE-ID §2, SPIFFE Trust Domain and Bundle §4)

/** Closed set of reasons; each is also a condition's reason, a metric's label and the CLI's line. */
export const BUNDLE_ERROR_CODES = [
  'TrustDomainInvalid',
  'SpiffeIdInvalid',
  'SvidInvalid',
  'SvidExpired',
  'SvidUntrusted',
  'DocumentTooLarge',
  'DocumentNotUtf8',
  'DocumentNotJson',
  'DocumentTooDeep',
  'DocumentHasDuplicateMember',
  'DocumentHasTooManyKeys',
  'DocumentNotABundle',
  'KeysMissing',
  'KeyMalformed',
  'KeyIdMissing',
  'CertificateMalformed',
  'SequenceInvalid',
  'RefreshHintInvalid',
] as const;

export type BundleErrorCode = (typeof BUNDLE_ERROR_CODES)[number];

/** The one error of `src/bundle`: the input is at fault, never the caller. The message names the place and what to do. */
export class BundleError extends Error {
  override readonly name = 'BundleError';
  readonly code: BundleErrorCode;

  constructor(code: BundleErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
