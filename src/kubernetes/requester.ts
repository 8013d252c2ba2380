// How is one request made and its answer read? With a deadline, a limit of bytes, and a KubeError for all that goes wrong.
import type { IncomingMessage } from 'node:http';
import type { Clock } from '../federation/clock.ts';
import { parseAnswer, statusOf } from './answers.ts';
import type { ApiAccess } from './api-access.ts';
import { ApiConnection, readText, type ApiCall } from './api-connection.ts';
import { boundedCall } from './bounded-call.ts';
import { answerInvalid, describeAttempt, kubeErrorOfStatus, type Attempt } from './kube-error.ts';

/** A page of 500 objects is far smaller. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** By default the API server's. */
  readonly timeoutMs?: number;
}

export class Requester {
  readonly #connection: ApiConnection;
  readonly clock: Clock;
  readonly #timeoutMs: number;

  constructor(access: ApiAccess, clock: Clock, timeoutMs: number) {
    this.#connection = new ApiConnection(access);
    this.clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** The answer's JSON. */
  json(attempt: Attempt, call: ApiCall, { signal, timeoutMs = this.#timeoutMs }: CallOptions = {}): Promise<unknown> {
    const bounds = { clock: this.clock, timeoutMs, signal };
    return boundedCall(describeAttempt(attempt), bounds, async (stop) => {
      const response = await this.#connection.open(call, 'Pooled', stop);
      return answerOf(attempt, response);
    });
  }

  /** The head of an answer that goes on; `signal` ends it. */
  stream(attempt: Attempt, call: ApiCall, signal: AbortSignal): Promise<IncomingMessage> {
    const bounds = { clock: this.clock, timeoutMs: this.#timeoutMs, signal };
    return boundedCall(describeAttempt(attempt), bounds, async (stop, inTime) => {
      const response = await this.#connection.open(call, 'Dedicated', stop);
      if (response.statusCode !== 200) await answerOf(attempt, response);
      inTime();
      return response;
    });
  }

  close(): void {
    this.#connection.close();
  }
}

async function answerOf(attempt: Attempt, response: IncomingMessage): Promise<unknown> {
  const { statusCode = 0 } = response;
  const text = await readText(response, MAX_ANSWER_BYTES);
  if (text === undefined) throw answerInvalid(attempt, `it has more than ${MAX_ANSWER_BYTES} bytes`);
  if (statusCode >= 200 && statusCode < 300) return parseAnswer(attempt, text);
  throw kubeErrorOfStatus(attempt, statusOf(tryParse(text), statusCode));
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
