// How does SPIRE Server say no? (a gRPC status for the whole call, or a types.Status for one item of a batch)
import type { MessageInitShape } from '@bufbuild/protobuf';
import { status as GrpcStatus } from '@grpc/grpc-js';
import type { StatusSchema } from '../spire/gen/spire/api/types/status_pb.ts';

/** Thrown by everything in this folder; the text is SPIRE's own. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly grpcCode: GrpcStatus;

  constructor(grpcCode: GrpcStatus, text: string) {
    super(text);
    this.grpcCode = grpcCode;
  }
}

/** SPIRE puts what it was doing before what went wrong, except for NOT_FOUND, which says only the former. */
export function within<Value>(doing: string, grpcCode: GrpcStatus, work: () => Value): Value {
  try {
    return work();
  } catch (error) {
    throw new RpcError(grpcCode, `${doing}: ${(error as Error).message}`);
  }
}

type StatusInit = MessageInitShape<typeof StatusSchema>;

export const OK: StatusInit = { code: GrpcStatus.OK, message: 'OK' };

/** Does one item of a batch; what it throws becomes the item's status. */
export function itemResult<Result extends object>(work: () => Result): Result & { status: StatusInit } {
  try {
    return { status: OK, ...work() };
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    return { status: { code: error.grpcCode, message: error.message } } as Result & { status: StatusInit };
  }
}
