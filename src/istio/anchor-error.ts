// Why can this root not be narrowed to its trust domain?

/** Closed set of reasons; each is also a condition's reason, a metric's label and the CLI's line. */
export type AnchorErrorCode =
  | 'TrustDomainNotConstrainable'
  | 'RootMayNotSign'
  | 'RootNotPortable'
  | 'RootExtensionUnknown'
  | 'RootNameConstraintsUnreadable'
  | 'RootExcludesTrustDomain';

/** The root or the trust domain's name is at fault. The message says what and names what to choose instead. */
export class AnchorError extends Error {
  override readonly name = 'AnchorError';
  readonly code: AnchorErrorCode;

  constructor(code: AnchorErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
