// What does our bundle endpoint answer? (SPIFFE Federation §5.2; conditional requests RFC 9110 §13; Prefer: wait RFC 7240 §4.3)
import { createHash } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, RequestListener, ServerResponse } from 'node:http';
import type { Clock } from '../federation/clock.ts';

export interface ServeOptions {
  /** The one path that is served, for example `/`. */
  readonly path: string;
  /** How long a shared cache may keep the document; the refresh hint is what peers go by. */
  readonly maxAgeSeconds: number;
  /** Requests that may wait for a change at once; one more is answered at once. */
  readonly maxWaiters: number;
  readonly clock: Clock;
  /** Sees each request for the bundle before it is answered. */
  readonly onRequest?: RequestListener;
}

/** No answer is held longer, whatever a client prefers. */
export const MAX_WAIT_SECONDS = 300;

/** Until the first bundle was read from SPIRE. */
const RETRY_AFTER_SECONDS = 5;

/** Who holds a request and vanishes without a word is not taken for alive for long. */
const KEEP_ALIVE_PROBE_MS = 30_000;

/** Rendered once, not per request. */
interface Document {
  /** Its bytes, one a character: Node writes a string together with the head of the answer, but a buffer after it. */
  readonly body: string;
  readonly etag: string;
  /** Of an answer without the body, and with it. */
  readonly headers: { readonly notModified: OutgoingHttpHeaders; readonly ok: OutgoingHttpHeaders };
}

interface Waiter {
  readonly finish: () => void;
}

/** The current document and those who wait for the next one. The document is rendered once, not per request. */
export class BundlePublication {
  readonly #options: ServeOptions;
  readonly #waiters = new Set<Waiter>();
  #document: Document | undefined;
  #closed = false;

  constructor(options: ServeOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiters.size;
  }

  /** Undefined before the first document. */
  get etag(): string | undefined {
    return this.#document?.etag;
  }

  /** Serves these bytes from now on and answers everyone who waits for a change. The same bytes change nothing. */
  publish(body: Buffer): void {
    const etag = `"${createHash('sha256').update(body).digest('hex')}"`;
    if (etag === this.#document?.etag) return;
    this.#document = { body: body.toString('latin1'), etag, headers: this.#headersOf(etag, body.length) };
    this.#release();
  }

  /** Answers everyone who waits, and lets nobody wait any more. */
  close(): void {
    this.#closed = true;
    this.#release();
  }

  readonly handle: RequestListener = (request, response) => {
    const [path] = (request.url ?? '').split('?', 1);
    if (path !== this.#options.path) {
      refuse(response, 404, `there is no such path; the bundle is at ${this.#options.path}`);
    } else if (request.method !== 'GET' && request.method !== 'HEAD') {
      refuse(response, 405, 'only GET and HEAD are allowed', { allow: 'GET, HEAD' });
    } else if (this.#document === undefined) {
      refuse(response, 503, 'the bundle was not read from SPIRE yet', { 'retry-after': String(RETRY_AFTER_SECONDS) });
    } else {
      this.#options.onRequest?.(request, response);
      this.#serve(request, response, this.#document);
    }
  };

  #serve(request: IncomingMessage, response: ServerResponse, document: Document): void {
    const condition = request.headers['if-none-match'];
    const waitSeconds = preferredWait(request.headers['prefer']);
    const unchanged = condition !== undefined && matchesEtag(condition, document.etag);
    const mayWait = !this.#closed && this.#waiters.size < this.#options.maxWaiters;
    if (!unchanged || waitSeconds === undefined || !mayWait) {
      this.#answer(request, response, document, undefined);
      return;
    }
    this.#wait(request, response, waitSeconds, condition);
  }

  #wait(request: IncomingMessage, response: ServerResponse, waitSeconds: number, condition: string): void {
    const ended = () => {
      cancelTimer();
      this.#waiters.delete(waiter);
      response.off('close', ended);
    };
    // What a client sends beside its headers is not read; unread it would hide that the connection was closed.
    request.resume();
    request.socket.setKeepAlive(true, KEEP_ALIVE_PROBE_MS);
    const waiter: Waiter = {
      finish: () => {
        ended();
        const document = this.#document;
        if (document !== undefined) this.#answer(request, response, document, waitSeconds, condition);
      },
    };
    const cancelTimer = this.#options.clock.after(waitSeconds * 1000, waiter.finish);
    this.#waiters.add(waiter);
    response.on('close', ended);
  }

  #answer(
    request: IncomingMessage,
    response: ServerResponse,
    { body, etag, headers }: Document,
    waitedSeconds: number | undefined,
    condition = request.headers['if-none-match'],
  ): void {
    const waited = waitedSeconds === undefined ? undefined : { 'preference-applied': `wait=${waitedSeconds}` };
    if (condition !== undefined && matchesEtag(condition, etag)) {
      response.writeHead(304, waited ? { ...headers.notModified, ...waited } : headers.notModified).end();
      return;
    }
    response.writeHead(200, waited ? { ...headers.ok, ...waited } : headers.ok);
    if (request.method === 'HEAD') response.end();
    else response.end(body, 'latin1');
  }

  #headersOf(etag: string, bytes: number): Document['headers'] {
    const notModified = {
      etag,
      'cache-control': `max-age=${this.#options.maxAgeSeconds}`,
      // A cache must not give the answer to one wait as the answer to another request.
      vary: 'prefer',
      'x-content-type-options': 'nosniff',
    };
    return { notModified, ok: { ...notModified, 'content-type': 'application/json', 'content-length': bytes } };
  }

  #release(): void {
    for (const waiter of [...this.#waiters]) waiter.finish();
  }
}

function refuse(response: ServerResponse, status: number, why: string, headers: OutgoingHttpHeaders = {}): void {
  const body = Buffer.from(`${why}\n`);
  response.writeHead(status, {
    ...headers,
    'content-type': 'text/plain; charset=utf-8',
    'content-length': body.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}

/** Weak comparison, as RFC 9110 §13.1.2 asks for. */
function matchesEtag(condition: string, etag: string): boolean {
  return condition.split(',').some((tag) => {
    const trimmed = tag.trim();
    return trimmed === '*' || trimmed.replace(/^W\//, '') === etag;
  });
}

function preferredWait(prefer: string | string[] | undefined): number | undefined {
  if (prefer === undefined) return undefined;
  for (const preference of [prefer].flat().join(',').split(',')) {
    const [, seconds] = /^\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:;|$)/i.exec(preference) ?? [];
    if (seconds !== undefined && Number(seconds) > 0) return Math.min(Number(seconds), MAX_WAIT_SECONDS);
  }
  return undefined;
}
