// Why did istiod not say what it has merged?
import type { CodedError } from '../federation/ports.ts';

/** Closed set of reasons; each is also a condition's reason, a metric's label and the CLI's line. */
export type IstiodErrorCode =
  | 'IstiodUnreachable'
  | 'IstiodDeadlineExceeded'
  | 'IstiodTokenUnreadable'
  | 'IstiodCallerRefused'
  | 'IstiodDebugMissing'
  | 'IstiodStatusUnexpected'
  | 'IstiodAnswerTooLarge'
  | 'IstiodAnswerInvalid'
  | 'IstiodCancelled';

/** The one error of what asks istiod. */
export class IstiodError extends Error implements CodedError {
  override readonly name = 'IstiodError';
  readonly code: IstiodErrorCode;

  constructor(code: IstiodErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
