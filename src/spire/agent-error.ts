// Why did the SPIRE agent not give us what Envoys get? (gRPC status codes and the agent's texts, SPIRE 1.15.3)
import { status as GrpcStatus, type ServiceError } from '@grpc/grpc-js';
import type { CodedError } from '../federation/ports.ts';
import { readStatus, type StatusMeaning, type StatusReading } from './grpc-status.ts';

/** Closed set of reasons; each is also a condition's reason, a metric's label and the CLI's line. */
export type AgentErrorCode =
  | 'AgentUnreachable'
  | 'AgentDeadlineExceeded'
  | 'AgentAttestationFailed'
  | 'AgentOverloaded'
  | 'AgentUnsupported'
  | 'AgentAnswerInvalid'
  | 'AgentInternal'
  | 'SecretUnknown'
  | 'SecretOwnBundleOnly'
  | 'SecretValidatorDisabled';

/** The one error of what asks a SPIRE agent. */
export class AgentError extends Error implements CodedError {
  override readonly name = 'AgentError';
  readonly code: AgentErrorCode;

  constructor(code: AgentErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Read from the top; the first row that fits decides. */
const READINGS: readonly StatusReading<AgentErrorCode>[] = [
  {
    grpcCode: GrpcStatus.INTERNAL,
    says: /message parsing error/i,
    code: 'AgentAnswerInvalid',
    meaning: 'the answer is not what secret discovery defines; is another program listening on this socket?',
  },
  {
    // The text blames an old Envoy whatever the reason.
    grpcCode: GrpcStatus.INTERNAL,
    says: /unable to use "SPIFFE validator"/,
    code: 'SecretValidatorDisabled',
    meaning:
      'the agent cannot give all bundles with its SPIFFE validator switched off, so Envoys get no anchors; remove disable_spiffe_cert_validation from the sds block of its configuration',
  },
  {
    grpcCode: GrpcStatus.INVALID_ARGUMENT,
    says: undefined,
    code: 'SecretUnknown',
    meaning: "the agent serves nothing under this name; set it as default_all_bundles_name in the agent's sds block",
  },
  {
    grpcCode: GrpcStatus.UNAVAILABLE,
    says: /attestation failed/,
    code: 'AgentAttestationFailed',
    meaning: 'the agent could not find out who we are; its log says which workload attestor failed',
  },
  {
    grpcCode: GrpcStatus.UNAVAILABLE,
    says: undefined,
    code: 'AgentUnreachable',
    meaning: 'the SPIRE agent does not answer; check that it runs and that the socket path is the one it listens on',
  },
  {
    // What we cancel ourselves is never read here.
    grpcCode: GrpcStatus.CANCELLED,
    says: undefined,
    code: 'AgentUnreachable',
    meaning: 'the SPIRE agent cut the stream; it is opened again',
  },
  {
    grpcCode: GrpcStatus.RESOURCE_EXHAUSTED,
    says: undefined,
    code: 'AgentOverloaded',
    meaning: 'the agent limits its load or the answer is too large; it is tried again later',
  },
  {
    grpcCode: GrpcStatus.UNIMPLEMENTED,
    says: undefined,
    code: 'AgentUnsupported',
    meaning: "what listens on this socket has no secret discovery for Envoy; is it the agent's Workload API socket?",
  },
];

const INTERNAL: StatusMeaning<AgentErrorCode> = {
  code: 'AgentInternal',
  meaning: 'the SPIRE agent failed; its log says more',
};

/** `attempt` says what was asked, for example `StreamSecrets of ROOTCA`. */
export function agentErrorOf(attempt: string, error: ServiceError): AgentError {
  const { code, message } = readStatus(READINGS, INTERNAL, attempt, { code: error.code, text: error.details });
  return new AgentError(code, message, { cause: error });
}
