// Where do the admin pages listen, and how much may a client take? Limits far below Node's defaults.
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A scraper, a kubelet and an operator; anything more is not meant for us. */
const MAX_CONNECTIONS = 64;
const MAX_REQUESTS_PER_CONNECTION = 100;
const MAX_HEADER_BYTES = 8192;
const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
const CLOSE_IDLE_EVERY_MS = 100;
const CLOSE_DEADLINE_MS = 2_000;

export interface AdminServer {
  readonly host: string;
  readonly port: number;
  /** Lets running answers end, for two seconds at most. */
  readonly close: () => Promise<void>;
}

/** Rejects when the address cannot be listened on. Port 0 takes any free one. */
export async function startAdminServer(
  app: RequestListener,
  address: { readonly host: string; readonly port: number },
): Promise<AdminServer> {
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: 1_000,
    },
    app,
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_CONNECTION;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const { address: host, port } = server.address() as AddressInfo;
  return { host, port, close: () => closeServer(server) };
}

/** `close` alone waits for connections that keep alive, five seconds after their last answer. */
function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const idle = setInterval(() => {
      server.closeIdleConnections();
    }, CLOSE_IDLE_EVERY_MS);
    const deadline = setTimeout(() => {
      server.closeAllConnections();
    }, CLOSE_DEADLINE_MS);
    server.close(() => {
      clearInterval(idle);
      clearTimeout(deadline);
      resolve();
    });
    server.closeIdleConnections();
  });
}
