// How do handlers become a gRPC server on a Unix socket, with a log of calls and faults on request?
import { chmod, rm } from 'node:fs/promises';
import {
  create,
  type DescMessage,
  type DescMethodUnary,
  type DescService,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import {
  Server,
  ServerCredentials,
  status as GrpcStatus,
  type sendUnaryData,
  type ServerUnaryCall,
} from '@grpc/grpc-js';
import { serviceDefinition } from '../spire/grpc-service.ts';
import { RpcError } from './rpc-error.ts';

/** One function a method of the service; what it throws as `RpcError` is the caller's gRPC status. */
export type ServiceHandlers<Service extends DescService> = {
  readonly [Name in keyof Service['method']]: Service['method'][Name] extends DescMethodUnary<
    infer Input extends DescMessage,
    infer Output extends DescMessage
  >
    ? (request: MessageShape<Input>) => MessageInitShape<Output> | Promise<MessageInitShape<Output>>
    : never;
};

type Handler = (request: unknown) => unknown;

export interface HandledService {
  readonly service: DescService;
  readonly handlers: Readonly<Record<string, Handler>>;
}

/** Sees every call before and after its work; what it throws is the caller's gRPC status. */
export type Intercept = (rpc: string, work: () => Promise<unknown>) => Promise<unknown>;

export interface GrpcListener {
  /** Cuts every connection and removes the socket. */
  close(): Promise<void>;
}

export function handled<Service extends DescService>(
  service: Service,
  handlers: ServiceHandlers<Service>,
): HandledService {
  return { service, handlers: handlers as unknown as Readonly<Record<string, Handler>> };
}

export async function listenGrpc(
  socketPath: string,
  services: readonly HandledService[],
  intercept: Intercept,
): Promise<GrpcListener> {
  const server = new Server();
  for (const { service, handlers } of services) {
    const implementation = service.methods.map((method) => {
      const answer = async (request: unknown) => {
        const init = await intercept(method.name, () => Promise.resolve(request).then(handlers[method.localName]));
        return create(method.output, init as MessageInitShape<DescMessage>);
      };
      return [method.localName, unaryHandler(answer)] as const;
    });
    server.addService(serviceDefinition(service), Object.fromEntries(implementation));
  }
  // A socket that a killed server left behind.
  await rm(socketPath, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
  await chmod(socketPath, 0o770);
  return {
    async close() {
      server.forceShutdown();
      await rm(socketPath, { force: true });
    },
  };
}

function unaryHandler(answer: (request: unknown) => Promise<unknown>) {
  return (call: ServerUnaryCall<unknown, unknown>, reply: sendUnaryData<unknown>) => {
    answer(call.request).then(
      (message) => {
        reply(null, message);
      },
      (error: unknown) => {
        const code = error instanceof RpcError ? error.grpcCode : GrpcStatus.INTERNAL;
        reply({ code, details: error instanceof Error ? error.message : String(error) });
      },
    );
  };
}
