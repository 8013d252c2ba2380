// How does a bundle endpoint misbehave? A real HTTPS server on port 0; a handler a fault.
import { createServer, type Server } from 'node:https';
import type { RequestListener } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { Issued } from './fake-ca.ts';

export interface FakeEndpoint {
  readonly url: string;
  readonly port: number;
  /** The paths that were asked for. */
  readonly requests: readonly { readonly path: string; readonly headers: Readonly<Record<string, unknown>> }[];
  /** How many came about, also those that were not used. */
  connections(): number;
  setIdentity(leaf: Issued): void;
  close(): Promise<void>;
}

export async function startEndpoint(leaf: Issued, handle: RequestListener): Promise<FakeEndpoint> {
  const requests: { path: string; headers: Record<string, unknown> }[] = [];
  const server = createServer({ key: leaf.keyPem, cert: leaf.pem }, (request, response) => {
    requests.push({ path: request.url ?? '', headers: request.headers });
    handle(request, response);
  });
  let connections = 0;
  server.on('connection', () => {
    connections += 1;
  });
  server.on('tlsClientError', () => undefined);
  const port = await listen(server);
  return {
    url: `https://127.0.0.1:${port}/`,
    port,
    requests,
    connections: () => connections,
    setIdentity: (next) => {
      server.setSecureContext({ key: next.keyPem, cert: next.pem });
    },
    close: () => close(server),
  };
}

/** A TCP server that accepts and says nothing, or what it is given, in the clear. */
export async function startSilentServer(says?: string): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined);
    if (says !== undefined) socket.end(says);
  });
  return { port: await listen(server), close: () => close(server) };
}

/** A port that nobody listens on. */
export async function closedPort(): Promise<number> {
  const server = createTcpServer();
  const port = await listen(server);
  await close(server);
  return port;
}

/** What the endpoint answers, by the name of the fault. `document` is what an honest one would answer. */
export function faultyHandlers(document: Buffer): Readonly<Record<FaultName, RequestListener>> {
  const json = { 'content-type': 'application/json' };
  return {
    status503: (_request, response) => response.writeHead(503).end(),
    status404: (_request, response) => response.writeHead(404, json).end(document),
    status206: (_request, response) => response.writeHead(206, json).end(document),
    unasked304: (_request, response) => response.writeHead(304).end(),
    html: (_request, response) => response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<html>'),
    tooLarge: (_request, response) => response.writeHead(200, json).end(Buffer.alloc(200_000)),
    tooLargeUndeclared: (_request, response) => {
      response.writeHead(200, json);
      response.write(Buffer.alloc(50_000));
      response.write(Buffer.alloc(50_000));
      response.end(Buffer.alloc(50_000));
    },
    gzipBomb: (_request, response) =>
      response.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(5_000_000))),
    brokenGzip: (_request, response) =>
      response.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(gzipSync(document).subarray(0, -9)),
    brotli: (_request, response) => response.writeHead(200, { ...json, 'content-encoding': 'br' }).end('x'),
    hugeHeaders: (_request, response) =>
      response.writeHead(200, { ...json, 'x-pad': 'x'.repeat(20_000) }).end(document),
    neverAnswers: () => undefined,
    drip: (_request, response) => {
      response.writeHead(200, json);
      const timer = setInterval(() => response.write(' '), 20);
      response.on('close', () => {
        clearInterval(timer);
      });
    },
    resetWithin: (_request, response) => {
      response.writeHead(200, { ...json, 'content-length': 1000 });
      response.write('{"keys":', () => response.destroy());
    },
    redirectLoop: (request, response) => response.writeHead(302, { location: request.url ?? '/' }).end(),
    redirectToHttp: (_request, response) =>
      response.writeHead(302, { location: 'http://127.0.0.1/x?token=secret' }).end(),
    redirectWithUser: (_request, response) => response.writeHead(302, { location: 'https://user:pw@127.0.0.1/' }).end(),
    redirectNowhere: (_request, response) => response.writeHead(302, { location: 'https://' }).end(),
    redirectWithoutLocation: (_request, response) => response.writeHead(302).end(),
  };
}

export type FaultName =
  | 'status503'
  | 'status404'
  | 'status206'
  | 'unasked304'
  | 'html'
  | 'tooLarge'
  | 'tooLargeUndeclared'
  | 'gzipBomb'
  | 'brokenGzip'
  | 'brotli'
  | 'hugeHeaders'
  | 'neverAnswers'
  | 'drip'
  | 'resetWithin'
  | 'redirectLoop'
  | 'redirectToHttp'
  | 'redirectWithUser'
  | 'redirectNowhere'
  | 'redirectWithoutLocation';

function listen(server: Server | TcpServer): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function close(server: Server | TcpServer): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
    if ('closeAllConnections' in server) server.closeAllConnections();
  });
}
