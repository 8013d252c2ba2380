// What does a gRPC status mean, coming from this server? Read by a table of readings, one table a server.
import { status as GrpcStatus } from '@grpc/grpc-js';

/** How a call or one item of a batch failed: grpc-js's `ServiceError` and SPIRE's `types.Status` both say it so. */
export interface FailedStatus {
  readonly code: number;
  readonly text: string;
}

export interface StatusMeaning<Code extends string> {
  readonly code: Code;
  readonly meaning: string;
}

export interface StatusReading<Code extends string> extends StatusMeaning<Code> {
  /** Undefined: any. */
  readonly grpcCode: number | undefined;
  /** Undefined: any; else a part of the server's text. */
  readonly says: RegExp | undefined;
}

/** SPIRE repeats parts of the request in some texts; this much of one is enough to find it in the log. */
const MAX_TEXT_CHARACTERS = 500;

/**
 * The first row that fits decides, else `otherwise`. `attempt` says what was asked, for example `GetFederatedBundle of
 * west.example`.
 */
export function readStatus<Code extends string>(
  readings: readonly StatusReading<Code>[],
  otherwise: StatusMeaning<Code>,
  attempt: string,
  status: FailedStatus,
): { readonly code: Code; readonly message: string } {
  const { code, meaning } =
    readings.find(
      (row) =>
        (row.grpcCode === undefined || row.grpcCode === status.code) &&
        (row.says === undefined || row.says.test(status.text)),
    ) ?? otherwise;
  const text = status.text.slice(0, MAX_TEXT_CHARACTERS);
  const grpcName = GrpcStatus[status.code] ?? `status ${status.code}`;
  return { code, message: `${attempt}: ${meaning} (${grpcName}: ${text})` };
}
