// How does a service of `gen/` become a grpc-js client and a grpc-js server? (gRPC over HTTP/2)
import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethod,
  type DescMethodUnary,
  type DescService,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import type { MethodDefinition } from '@grpc/grpc-js';

/** What carries one call: path, bytes and deadline are its business, the messages' types are not. */
export interface UnaryCaller {
  call(method: MethodDefinition<unknown, unknown>, request: unknown, settings: CallSettings): Promise<unknown>;
}

export interface CallSettings {
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** One function a method of the service, named as in the generated code. */
export type UnaryClient<Service extends DescService> = {
  readonly [Name in keyof Service['method']]: Service['method'][Name] extends DescMethodUnary<
    infer Input extends DescMessage,
    infer Output extends DescMessage
  >
    ? (request: MessageInitShape<Input>, settings: CallSettings) => Promise<MessageShape<Output>>
    : never;
};

/** The grpc-js form of a service, for a server to register and for `unaryClient` to call. */
export function serviceDefinition(service: DescService): Record<string, MethodDefinition<unknown, unknown>> {
  return Object.fromEntries(service.methods.map((method) => [method.localName, methodDefinition(method)]));
}

export function unaryClient<Service extends DescService>(service: Service, caller: UnaryCaller): UnaryClient<Service> {
  const functions = service.methods.map((method) => {
    const definition = methodDefinition(method);
    const call = (request: MessageInitShape<DescMessage>, settings: CallSettings) =>
      caller.call(definition, create(method.input, request), settings);
    return [method.localName, call] as const;
  });
  return Object.fromEntries(functions) as UnaryClient<Service>;
}

/** One method, whose answer is left as the bytes that came. */
export function unaryBytes<Input extends DescMessage, Output extends DescMessage>(
  method: DescMethodUnary<Input, Output>,
  caller: UnaryCaller,
): (request: MessageInitShape<Input>, settings: CallSettings) => Promise<Uint8Array> {
  const definition = { ...methodDefinition(method), responseDeserialize: (bytes: Buffer) => bytes };
  return async (request, settings) =>
    (await caller.call(definition, create(method.input, request), settings)) as Uint8Array;
}

export function methodDefinition(method: DescMethod): MethodDefinition<unknown, unknown> {
  const serialize = (schema: DescMessage) => (message: unknown) =>
    Buffer.from(toBinary(schema, message as MessageShape<DescMessage>));
  const deserialize = (schema: DescMessage) => (bytes: Buffer) => fromBinary(schema, bytes);
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
    responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
    requestSerialize: serialize(method.input),
    requestDeserialize: deserialize(method.input),
    responseSerialize: serialize(method.output),
    responseDeserialize: deserialize(method.output),
  };
}
