// What does a SPIRE agent answer to an Envoy? Its secret discovery over a real Unix socket, as SPIRE 1.15.3 speaks it.
import { rm } from 'node:fs/promises';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { Server, ServerCredentials, status as GrpcStatus, type ServerDuplexStream } from '@grpc/grpc-js';
import { SecretSchema } from '../../src/spire/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts';
import {
  DiscoveryResponseSchema,
  type DiscoveryRequest,
} from '../../src/spire/gen/envoy/service/discovery/v3/discovery_pb.ts';
import { SecretDiscoveryService } from '../../src/spire/gen/envoy/service/secret/v3/sds_pb.ts';
import { SPIFFECertValidatorConfigSchema } from '../../src/spire/gen/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.ts';
import { serviceDefinition } from '../../src/spire/grpc-service.ts';

export type Context = Extract<
  NonNullable<MessageInitShape<typeof SecretSchema>['type']>,
  { case: 'validationContext' }
>;

export interface Refusal {
  readonly code: GrpcStatus;
  readonly text: string;
}

/** `Silence`: no answer at all. */
export type Answer = Context | Refusal | 'Silence';

type Stream = ServerDuplexStream<unknown, unknown>;

/** By trust domain: PEM, as SPIRE's `buildAll` writes it. */
export function spiffeValidator(bundles: Readonly<Record<string, string>>): Context {
  const trustDomains = Object.entries(bundles).map(([name, pem]) => ({
    name,
    trustBundle: { specifier: { case: 'inlineBytes' as const, value: Buffer.from(pem) } },
  }));
  const config = create(SPIFFECertValidatorConfigSchema, { trustDomains });
  return {
    case: 'validationContext',
    value: {
      customValidatorConfig: {
        name: 'envoy.tls.cert_validator.spiffe',
        typedConfig: anyPack(SPIFFECertValidatorConfigSchema, config),
      },
    },
  };
}

export function trustedCa(pem: string): Context {
  const specifier = { case: 'inlineBytes' as const, value: Buffer.from(pem) };
  return { case: 'validationContext', value: { trustedCa: { specifier } } };
}

export class FakeAgentSds {
  readonly socketPath: string;
  /** Every request of every stream, in order of arrival. */
  readonly requests: DiscoveryRequest[] = [];
  #server: Server | undefined;
  readonly #answers = new Map<string, Answer>();
  readonly #streams = new Map<Stream, string>();
  #version = 0;

  constructor(socketPath: string) {
    this.socketPath = socketPath;
  }

  async start(): Promise<void> {
    await rm(this.socketPath, { force: true });
    const server = new Server();
    server.addService(serviceDefinition(SecretDiscoveryService), {
      streamSecrets: (stream: Stream) => {
        this.#open(stream);
      },
    });
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${this.socketPath}`, ServerCredentials.createInsecure(), (error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
    this.#server = server;
  }

  /** As a crash: connections are cut. */
  stop(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
  }

  /** From now on, also on streams that asked for this name before. A name that was never set is unknown. */
  serve(secretName: string, answer: Answer): void {
    this.#answers.set(secretName, answer);
    for (const [stream, name] of this.#streams) if (name === secretName) this.#answer(stream, name);
  }

  /** Says the same once more, as after a rotation of the workload's own SVID. */
  repeat(): void {
    for (const [stream, name] of this.#streams) this.#answer(stream, name);
  }

  endStreams(): void {
    for (const stream of this.#streams.keys()) stream.end();
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  #open(stream: Stream): void {
    const forget = () => {
      this.#streams.delete(stream);
    };
    stream.on('data', (request: DiscoveryRequest) => {
      this.requests.push(request);
      if (request.responseNonce !== '') return;
      const [name = ''] = request.resourceNames;
      this.#streams.set(stream, name);
      this.#answer(stream, name);
    });
    stream.on('cancelled', forget);
    stream.on('end', forget);
    stream.on('error', forget);
  }

  #answer(stream: Stream, name: string): void {
    const unknown = {
      code: GrpcStatus.INVALID_ARGUMENT,
      text: `workload is not authorized for the requested identities ["${name}"]`,
    };
    const answer = this.#answers.get(name) ?? unknown;
    if (answer === 'Silence') return;
    if ('code' in answer) {
      this.#streams.delete(stream);
      stream.emit('error', { code: answer.code, details: answer.text });
      return;
    }
    const versionInfo = String(++this.#version);
    const secret = create(SecretSchema, { name, type: answer });
    const resources = [anyPack(SecretSchema, secret)];
    stream.write(create(DiscoveryResponseSchema, { versionInfo, nonce: `nonce-${versionInfo}`, resources }));
  }
}
