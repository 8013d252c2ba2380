// How does one request reach the API server? HTTPS with pooled connections, credentials read anew, bytes counted.
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { ApiAccess, Credentials } from './api-access.ts';

export interface ApiCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Without query. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** By default `application/json`. */
  readonly contentType?: string;
}

/** More callers than this wait for a free connection. */
const MAX_CONNECTIONS = 4;
/** Below the idle limits of common load balancers, so that we close first. */
const IDLE_CONNECTION_MS = 50_000;
/** An API server that vanished without a word is noticed also where no timer of ours runs. */
const KEEP_ALIVE_PROBE_MS = 30_000;

export class ApiConnection {
  readonly #access: ApiAccess;
  #pool: { readonly key: string; readonly agent: Agent } | undefined;

  constructor(access: ApiAccess) {
    this.#access = access;
  }

  /** Resolves to the answer's head. `stop` also ends its body. A watch has a connection of its own (`Dedicated`). */
  async open(call: ApiCall, use: 'Pooled' | 'Dedicated', stop: AbortSignal): Promise<IncomingMessage> {
    const credentials = await this.#access.readCredentials();
    stop.throwIfAborted();
    const tls = { ...credentials.tls, rejectUnauthorized: true };
    const response = await send(this.#urlOf(call), call, {
      ...(use === 'Pooled' ? { agent: this.#agentFor(tls) } : { ...tls, agent: false }),
      headers: { ...credentials.headers },
      signal: stop,
    });
    if (response.statusCode === 401) this.#access.forgetCredentials();
    return response;
  }

  /** Closes the idle connections and those in use. */
  close(): void {
    this.#pool?.agent.destroy();
  }

  #urlOf({ path, query = {} }: ApiCall): URL {
    const { server } = this.#access;
    const url = new URL(`${server.pathname.replace(/\/$/, '')}${path}`, server);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
    return url;
  }

  /** With another CA or client certificate comes another pool; the idle limit empties the old one. */
  #agentFor(tls: Credentials['tls']): Agent {
    const key = createHash('sha256').update(JSON.stringify(tls)).digest('hex');
    if (this.#pool?.key !== key) {
      const agent = new Agent({
        ...tls,
        keepAlive: true,
        keepAliveMsecs: KEEP_ALIVE_PROBE_MS,
        maxSockets: MAX_CONNECTIONS,
        timeout: IDLE_CONNECTION_MS,
        // A resumed session would skip the verification of the server.
        maxCachedSessions: 0,
      });
      this.#pool = { key, agent };
    }
    return this.#pool.agent;
  }
}

/** The whole body as text, or undefined when it has more than `maxBytes`: the connection is given up then. */
export async function readText(response: IncomingMessage, maxBytes: number): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      response.destroy();
      return undefined;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(
  url: URL,
  { method, body, contentType = 'application/json' }: ApiCall,
  options: { readonly headers: Record<string, string>; readonly signal: AbortSignal },
): Promise<IncomingMessage> {
  const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const request = httpsRequest(url, {
      ...options,
      method,
      headers: {
        ...options.headers,
        accept: 'application/json',
        'user-agent': 'spire-federation-broker',
        ...(payload !== undefined && { 'content-type': contentType, 'content-length': payload.length }),
      },
    });
    request.on('socket', (socket) => socket.setKeepAlive(true, KEEP_ALIVE_PROBE_MS));
    request.on('response', resolve);
    request.on('error', reject);
    request.end(payload);
  });
}
