// How do calls reach SPIRE Server? (its API's Unix socket: plaintext, every caller is an administrator; an agent's
// socket is dialled in the same way)
import {
  Client,
  credentials,
  Metadata,
  type ChannelOptions,
  type MethodDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import type { CallSettings, UnaryCaller } from './grpc-service.ts';
import { spireErrorOf } from './spire-error.ts';

/** How long each kind of call may take. */
export interface Deadlines {
  readonly readMs: number;
  /** One page of a list: 10,000 entries take SPIRE 1.15.3 with SQLite 0.26 s. */
  readonly listMs: number;
  /** One batch, also of 50. */
  readonly writeMs: number;
  /** SPIRE fetches from the peer during the call and never gives up by itself once TLS is up. */
  readonly refreshMs: number;
}

export const DEADLINES: Deadlines = { readMs: 5_000, listMs: 15_000, writeMs: 10_000, refreshMs: 15_000 };

/** A full page of large bundles; grpc-js would refuse more than 4 MiB. */
const MAX_RECEIVE_BYTES = 64 * 1024 * 1024;
const FIRST_RECONNECT_MS = 100;
const MAX_RECONNECT_MS = 1_000;

export interface SpireChannel extends UnaryCaller {
  /** Calls under way fail with `SpireCancelled`. */
  close(): void;
}

/**
 * Makes no connection before the first call. While the server is down, calls fail at once with `SpireUnreachable`; the
 * channel finds a server that is started again on the same path within a second.
 */
export function openChannel(socketPath: string): SpireChannel {
  const client = openClient(socketPath);
  return {
    call: (method, request, settings) => callUnary(client, method, request, settings),
    close: () => {
      client.close();
    },
  };
}

/** The same for what needs more than calls with one answer. */
export function openClient(socketPath: string, options: ChannelOptions = {}): Client {
  return new Client(`unix:${socketPath}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': MAX_RECEIVE_BYTES,
    'grpc.initial_reconnect_backoff_ms': FIRST_RECONNECT_MS,
    'grpc.min_reconnect_backoff_ms': FIRST_RECONNECT_MS,
    'grpc.max_reconnect_backoff_ms': MAX_RECONNECT_MS,
    // Two channels to one path must not share a connection: closing one would not close it.
    'grpc.use_local_subchannel_pool': 1,
    ...options,
  });
}

function callUnary(
  client: Client,
  method: MethodDefinition<unknown, unknown>,
  request: unknown,
  { deadlineMs, signal }: CallSettings,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const settle = (error: ServiceError | null, answer?: unknown) => {
      signal?.removeEventListener('abort', cancel);
      if (error === null) resolve(answer);
      else reject(spireErrorOf(methodName(method.path), { code: error.code, text: error.details }, error));
    };
    const call = client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      new Metadata(),
      { deadline: Date.now() + deadlineMs },
      settle,
    );
    const cancel = () => {
      call.cancel();
    };
    if (signal?.aborted === true) cancel();
    else signal?.addEventListener('abort', cancel, { once: true });
  });
}

/** `/spire.api.server.bundle.v1.Bundle/GetBundle` → `GetBundle`. */
function methodName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
