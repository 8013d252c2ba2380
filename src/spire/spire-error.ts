// Why did SPIRE Server not do what it was asked? (gRPC status codes and SPIRE's texts, measured on SPIRE 1.15.3)
import { status as GrpcStatus } from '@grpc/grpc-js';
import type { CodedError } from '../federation/ports.ts';
import { readStatus, type FailedStatus, type StatusMeaning, type StatusReading } from './grpc-status.ts';

/** Closed set of reasons; each is also a condition's reason, a metric's label and the CLI's line. */
export type SpireErrorCode =
  | 'SpireUnreachable'
  | 'SpireDeadlineExceeded'
  | 'SpireCancelled'
  | 'SpirePermissionDenied'
  | 'SpireRefused'
  | 'SpireBundleMissing'
  | 'SpireBundleInUse'
  | 'SpireNotFound'
  | 'SpireAlreadyExists'
  | 'SpireMessageTooLarge'
  | 'SpireOverloaded'
  | 'SpireUnsupported'
  | 'SpireAnswerInvalid'
  | 'SpireInternal';

/** The one error of what asks SPIRE Server; what asks an agent has `AgentError`. */
export class SpireError extends Error implements CodedError {
  override readonly name = 'SpireError';
  readonly code: SpireErrorCode;

  constructor(code: SpireErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Read from the top; the first row that fits decides. */
const READINGS: readonly StatusReading<SpireErrorCode>[] = [
  {
    grpcCode: GrpcStatus.INTERNAL,
    says: /message parsing error/i,
    code: 'SpireAnswerInvalid',
    meaning: 'the answer is not what the SPIRE Server API defines; is another program listening on this socket?',
  },
  {
    grpcCode: undefined,
    says: /unable to find federated bundle/,
    code: 'SpireBundleMissing',
    meaning: 'an entry can only federate with a trust domain whose bundle is stored; store the bundle first',
  },
  {
    // SQLite and PostgreSQL, then MySQL. SPIRE answers INTERNAL for a duplicate relationship.
    grpcCode: undefined,
    says: /unique constraint|duplicate entry/i,
    code: 'SpireAlreadyExists',
    meaning: 'it is there already',
  },
  {
    grpcCode: GrpcStatus.INTERNAL,
    says: /record not found/,
    code: 'SpireNotFound',
    meaning: 'SPIRE Server does not hold it',
  },
  {
    grpcCode: GrpcStatus.FAILED_PRECONDITION,
    says: /cannot delete bundle/,
    code: 'SpireBundleInUse',
    meaning: 'registration entries still federate with this trust domain; take it from them first',
  },
  {
    grpcCode: GrpcStatus.RESOURCE_EXHAUSTED,
    says: /larger than max/,
    code: 'SpireMessageTooLarge',
    meaning: 'the message is larger than the receiver allows (SPIRE Server: 4 MiB)',
  },
  {
    grpcCode: GrpcStatus.UNAVAILABLE,
    says: undefined,
    code: 'SpireUnreachable',
    meaning: 'SPIRE Server does not answer; check that it runs and that the socket path is the one it listens on',
  },
  {
    grpcCode: GrpcStatus.DEADLINE_EXCEEDED,
    says: undefined,
    code: 'SpireDeadlineExceeded',
    meaning: 'SPIRE Server took too long; check its log and its data store',
  },
  { grpcCode: GrpcStatus.CANCELLED, says: undefined, code: 'SpireCancelled', meaning: 'the call was cancelled' },
  {
    grpcCode: GrpcStatus.PERMISSION_DENIED,
    says: undefined,
    code: 'SpirePermissionDenied',
    meaning: 'SPIRE Server does not allow this caller; use its own Unix socket, whose callers are administrators',
  },
  {
    grpcCode: GrpcStatus.UNAUTHENTICATED,
    says: undefined,
    code: 'SpirePermissionDenied',
    meaning: 'SPIRE Server does not know this caller; use its own Unix socket, whose callers are administrators',
  },
  { grpcCode: GrpcStatus.NOT_FOUND, says: undefined, code: 'SpireNotFound', meaning: 'SPIRE Server does not hold it' },
  { grpcCode: GrpcStatus.ALREADY_EXISTS, says: undefined, code: 'SpireAlreadyExists', meaning: 'it is there already' },
  {
    grpcCode: GrpcStatus.INVALID_ARGUMENT,
    says: undefined,
    code: 'SpireRefused',
    meaning: 'SPIRE Server refuses this input',
  },
  {
    grpcCode: GrpcStatus.FAILED_PRECONDITION,
    says: undefined,
    code: 'SpireRefused',
    meaning: 'SPIRE Server refuses this in its present state',
  },
  {
    grpcCode: GrpcStatus.RESOURCE_EXHAUSTED,
    says: undefined,
    code: 'SpireOverloaded',
    meaning: 'SPIRE Server limits its load; it is tried again later',
  },
  {
    grpcCode: GrpcStatus.UNIMPLEMENTED,
    says: undefined,
    code: 'SpireUnsupported',
    meaning: 'this SPIRE Server does not have the method or has it switched off',
  },
];

const INTERNAL: StatusMeaning<SpireErrorCode> = {
  code: 'SpireInternal',
  meaning: 'SPIRE Server failed; its log says more',
};

/** `attempt` says what was asked, for example `GetFederatedBundle of west.example`. */
export function spireErrorOf(attempt: string, status: FailedStatus, cause?: unknown): SpireError {
  const { code, message } = readStatus(READINGS, INTERNAL, attempt, status);
  return new SpireError(code, message, cause === undefined ? {} : { cause });
}

/** The answer came, but cannot be what the API promises. */
export function answerInvalid(attempt: string, fault: string, cause?: unknown): SpireError {
  return new SpireError(
    'SpireAnswerInvalid',
    `${attempt}: SPIRE Server's answer cannot be used: ${fault}`,
    cause === undefined ? {} : { cause },
  );
}

/** Whether `error` is a `SpireError` with this code. */
export function isSpireError(error: unknown, code: SpireErrorCode): error is SpireError {
  return error instanceof SpireError && error.code === code;
}
