// Is the broker alive, is it ready, what does it know? /livez /readyz /metrics /status over plain HTTP.
import { pipeline } from 'node:stream/promises';
import express, { type Express, type Request, type RequestHandler, type Response } from 'express';

/** One thing that must be true. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** Seconds since it was last looked at, or since it last succeeded; undefined when that never happened. */
  readonly ageSeconds: number | undefined;
  /** Why it is not ok, and what to try. */
  readonly message?: string;
}

export interface AdminSources {
  /** False answers mean: restart me. A peer or SPIRE that does not answer is no reason. */
  readonly livez: () => readonly Check[];
  /** False answers mean: do not send me traffic yet. */
  readonly readyz: () => readonly Check[];
  readonly metrics: { readonly contentType: string; readonly metrics: () => AsyncIterable<string> };
  /** Plain data; a bigint becomes text. */
  readonly status: () => unknown;
}

/** GET and HEAD only; answers are never cached. */
export function createAdminApp(sources: AdminSources): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use((_request, response, next) => {
    response.set({ 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' });
    next();
  });
  const routes: Readonly<Record<string, RequestHandler>> = {
    '/livez': (_request, response) => {
      sendChecks(response, sources.livez());
    },
    '/readyz': (_request, response) => {
      sendChecks(response, sources.readyz());
    },
    '/status': (_request, response) => {
      sendJson(response, 200, sources.status());
    },
    '/metrics': async (_request, response) => {
      response.type(sources.metrics.contentType);
      // The scraper went away; nobody is left to be told.
      await pipeline(sources.metrics.metrics(), response).catch(() => undefined);
    },
  };
  for (const [path, handler] of Object.entries(routes)) app.route(path).get(handler).all(refuseMethod);
  app.use((_request, response) => {
    sendJson(response, 404, { error: `not found; there are ${Object.keys(routes).join(', ')}` });
  });
  app.use(((error: unknown, _request: Request, response: Response, next) => {
    if (response.headersSent) {
      next(error);
      return;
    }
    sendJson(response, 500, { error: error instanceof Error ? error.message : 'unknown fault' });
  }) satisfies express.ErrorRequestHandler);
  return app;
}

function sendChecks(response: Response, checks: readonly Check[]): void {
  const ok = checks.every((check) => check.ok);
  sendJson(response, ok ? 200 : 503, { ok, checks });
}

function refuseMethod(_request: Request, response: Response): void {
  response.set('Allow', 'GET, HEAD');
  sendJson(response, 405, { error: 'only GET and HEAD' });
}

function sendJson(response: Response, status: number, body: unknown): void {
  const text = JSON.stringify(
    body,
    (_name, value: unknown) => (typeof value === 'bigint' ? value.toString() : value),
    2,
  );
  response.status(status).type('application/json').send(`${text}\n`);
}
