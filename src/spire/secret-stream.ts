// What does the agent answer to one secret discovery stream, from its beginning to its end? (Envoy SDS, state of the
// world: every answer is acknowledged, and holds all that was asked for)
import { create } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { Metadata, type Client, type ServiceError } from '@grpc/grpc-js';
import type { Clock } from '../federation/clock.ts';
import type { ServedAnchors } from '../federation/mesh-ports.ts';
import { AgentError, agentErrorOf } from './agent-error.ts';
import { SecretSchema } from './gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts';
import {
  DiscoveryRequestSchema,
  type DiscoveryRequest,
  type DiscoveryResponse,
} from './gen/envoy/service/discovery/v3/discovery_pb.ts';
import { SecretDiscoveryService } from './gen/envoy/service/secret/v3/sds_pb.ts';
import { methodDefinition } from './grpc-service.ts';
import { servedAnchors } from './served-anchors.ts';

const STREAM_SECRETS = methodDefinition(SecretDiscoveryService.method.streamSecrets);
const TYPE_URL = `type.googleapis.com/${SecretSchema.typeName}`;
const NODE = { id: 'spire-federation-broker' };

export interface SecretQuestion {
  readonly secretName: string;
  readonly clock: Clock;
  /** From the attempt to connect to the first answer; later answers may take for ever. */
  readonly firstAnswerTimeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Ends the stream when the caller wants no more answers.
 *
 * @throws AgentError also when the agent ends the stream
 */
export async function* streamAnchors(client: Client, question: SecretQuestion): AsyncGenerator<ServedAnchors> {
  const { secretName, clock, firstAnswerTimeoutMs, signal } = question;
  const attempt = `StreamSecrets of ${secretName}`;
  const { path, requestSerialize, responseDeserialize } = STREAM_SECRETS;
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, new Metadata(), {});
  // An end that comes after the last answer was taken has no other listener.
  call.on('error', () => undefined);
  const stop = () => {
    call.cancel();
  };
  signal.addEventListener('abort', stop);
  const overdue = new AbortController();
  const cancelTimer = clock.after(firstAnswerTimeoutMs, () => {
    overdue.abort();
    stop();
  });
  try {
    if (signal.aborted) stop();
    call.write(requestFor(secretName));
    for await (const answer of call as AsyncIterable<DiscoveryResponse>) {
      cancelTimer();
      const served = anchorsIn(answer, secretName, attempt);
      call.write(requestFor(secretName, answer));
      yield served;
    }
  } catch (error) {
    if (error instanceof AgentError) throw error;
    if (overdue.signal.aborted) {
      const text = `${attempt}: no answer within ${firstAnswerTimeoutMs} ms; does the agent reach its SPIRE Server?`;
      throw new AgentError('AgentDeadlineExceeded', text, { cause: error });
    }
    throw agentErrorOf(attempt, error as ServiceError);
  } finally {
    cancelTimer();
    signal.removeEventListener('abort', stop);
    stop();
  }
  throw new AgentError('AgentUnreachable', `${attempt}: the agent ended the stream; it is opened again`);
}

/** The first question, or the acknowledgement of an answer. */
function requestFor(secretName: string, taken?: DiscoveryResponse): DiscoveryRequest {
  return create(DiscoveryRequestSchema, {
    node: NODE,
    resourceNames: [secretName],
    typeUrl: TYPE_URL,
    versionInfo: taken?.versionInfo ?? '',
    responseNonce: taken?.nonce ?? '',
  });
}

function anchorsIn(answer: DiscoveryResponse, secretName: string, attempt: string): ServedAnchors {
  try {
    const secrets = answer.resources.map((resource) => anyUnpack(resource, SecretSchema));
    const secret = secrets.find((each) => each?.name === secretName);
    if (secret === undefined) throw new Error('the secret is not in it');
    return servedAnchors(secret);
  } catch (error) {
    const fault = error instanceof Error ? error.message : String(error);
    throw new AgentError('AgentAnswerInvalid', `${attempt}: the agent's answer cannot be used: ${fault}`, {
      cause: error,
    });
  }
}
