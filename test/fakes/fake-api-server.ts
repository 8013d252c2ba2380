// A Kubernetes API server for tests: real HTTPS on port 0, tokens, rights, objects in memory, and faults on request.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CONFIG_MAPS, SECRETS } from '../../src/kubernetes/core-resources.ts';
import { apiVersionOf } from '../../src/kubernetes/kube-object.ts';
import { LEASES } from '../../src/kubernetes/lease.ts';
import type { ServiceAccount } from '../../src/kubernetes/service-account.ts';
import { makeCertificate, type Issued } from './fake-ca.ts';
import { statusObject, type Fault } from './fake-api-faults.ts';
import { isRecord, without, type Json } from './fake-api-json.ts';
import { forbidden, route, selector, write, type Access, type RequestRecord, type Routed } from './fake-api-routes.ts';
import { Refusal } from './fake-api-refusals.ts';
import { FakeApiStore, type ServedResource, type StoredObject } from './fake-api-store.ts';
import { serveWatch } from './fake-api-watch.ts';

/** Always served. */
const BUILT_IN: readonly ServedResource[] = [
  { ...LEASES, createsOnReplace: true, fault: leaseFault },
  CONFIG_MAPS,
  SECRETS,
  { group: 'events.k8s.io', version: 'v1', plural: 'events', kind: 'Event', namespaced: true },
];

export const USER = 'system:serviceaccount:spire:broker';

type Match = (request: RequestRecord) => boolean;

const MAX_BODY_BYTES = 3 * 1024 * 1024;

export interface FakeApiServer {
  readonly store: FakeApiStore;
  readonly port: number;
  readonly ca: Issued;
  /** Answered requests, faults included. */
  readonly requests: readonly RequestRecord[];
  /** Accepted tokens and whose they are. */
  readonly tokens: Map<string, string>;
  /** How many connections were made. */
  readonly connections: number;
  readonly openWatches: number;
  /** From now on, as when its CustomResourceDefinition is installed. */
  serve(resource: ServedResource): void;
  /** By default everything is. */
  isAllowed: (access: Access) => boolean;
  /** The next `times` requests that match meet the fault. */
  fail(match: Match, fault: Fault, times?: number): void;
  /** To all watches that asked for them. */
  sendBookmarks(): void;
  /** Files as a pod has them, with an accepted token; removed with the server. */
  serviceAccount(): Promise<ServiceAccount & { readonly directory: string }>;
  /** Cuts all connections; later ones are refused until `listen`. */
  stop(): Promise<void>;
  /** On the same port as before. */
  listen(): Promise<void>;
  close(): Promise<void>;
}

export async function startFakeApiServer(resources: readonly ServedResource[] = []): Promise<FakeApiServer> {
  const ca = await makeCertificate({ isCa: true, subject: 'CN=cluster CA' });
  const leaf = await makeCertificate({ ipAddresses: ['127.0.0.1'], dnsNames: ['localhost'] }, ca);
  const served = [...BUILT_IN, ...resources];
  const store = new FakeApiStore();
  const requests: RequestRecord[] = [];
  const faults: { match: Match; fault: Fault; left: number }[] = [];
  const tokens = new Map([['first-token', USER]]);
  const bookmarkSenders = new Set<() => void>();
  const pages = new Map<string, Page>();
  const directories: string[] = [];
  let connections = 0;

  const server = createServer({ key: leaf.keyPem, cert: leaf.pem }, (request, response) => {
    handle(request, response).catch((error: unknown) => {
      if (error instanceof Refusal) sendRefusal(response, error);
      else sendRefusal(response, new Refusal(500, 'InternalError', String(error)));
    });
  });
  server.on('secureConnection', () => (connections += 1));
  server.on('tlsClientError', () => undefined);

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const user = tokens.get(/^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '');
    const routed = route(request, served, user ?? '');
    if (routed === undefined) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('404 page not found\n');
      return;
    }
    requests.push(routed);
    const fault = faults.find(({ match, left }) => left > 0 && match(routed));
    if (fault !== undefined) {
      fault.left -= 1;
      if ((await fault.fault(request, response)) === 'Answered') return;
    }
    if (user === undefined) throw new Refusal(401, 'Unauthorized', 'Unauthorized');
    if (!api.isAllowed(routed)) throw forbidden(routed);
    await answer(request, response, routed);
  }

  async function answer(request: IncomingMessage, response: ServerResponse, routed: Routed): Promise<void> {
    if (routed.verb === 'watch') {
      watch(response, routed);
      return;
    }
    if (routed.verb === 'list') {
      sendJson(response, 200, page(routed));
      return;
    }
    const body = await readJson(request);
    const { code, object } = write(routed, body, store);
    sendJson(response, code, object);
  }

  function watch(response: ServerResponse, routed: Routed): void {
    const since = routed.query.get('resourceVersion') ?? '';
    const matches = selector(routed);
    const sendBookmark = serveWatch(store, response, {
      resource: routed.served,
      matches,
      sinceVersion: since === '' || since === '0' ? undefined : Number(since),
      timeoutMs: Number(routed.query.get('timeoutSeconds') ?? 1800) * 1000,
      bookmarks: routed.query.get('allowWatchBookmarks') === 'true',
      initial: store.list(routed.served, routed.namespace).filter(matches),
    });
    bookmarkSenders.add(sendBookmark);
    response.on('close', () => bookmarkSenders.delete(sendBookmark));
  }

  function page(routed: Routed): unknown {
    const token = routed.query.get('continue');
    const held = token === null ? undefined : pages.get(token);
    if (token !== null && (held === undefined || held.version < store.oldestVersion)) {
      throw new Refusal(
        410,
        'Expired',
        'The provided continue parameter is too old to display a consistent list result.',
      );
    }
    const { version, rest } = held ?? {
      version: store.version,
      rest: store.list(routed.served, routed.namespace).filter(selector(routed)),
    };
    const limit = Number(routed.query.get('limit') ?? 0);
    const items = limit > 0 ? rest.slice(0, limit) : rest;
    const left = rest.slice(items.length);
    const next = left.length > 0 ? `page-${pages.size + 1}` : undefined;
    if (next !== undefined) pages.set(next, { version, rest: left });
    return {
      kind: `${routed.served.kind}List`,
      apiVersion: apiVersionOf(routed.served),
      metadata: {
        resourceVersion: String(version),
        ...(next !== undefined && { continue: next, remainingItemCount: left.length }),
      },
      items: BUILT_IN.includes(routed.served) ? items.map((item) => without(item, 'apiVersion', 'kind')) : items,
    };
  }

  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await listen(0);
  const { port } = server.address() as AddressInfo;

  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => {
        resolve();
      });
      // Those too whose TLS handshake is not done: the HTTP server does not know of them yet, and would serve them.
      for (const socket of sockets) socket.destroy();
    });

  const api: FakeApiServer = {
    store,
    port,
    ca,
    requests,
    tokens,
    get connections() {
      return connections;
    },
    get openWatches() {
      return bookmarkSenders.size;
    },
    isAllowed: () => true,
    serve(resource) {
      served.push(resource);
    },
    fail(match, fault, times = 1) {
      faults.push({ match, fault, left: times });
    },
    sendBookmarks() {
      for (const send of bookmarkSenders) send();
    },
    async serviceAccount() {
      const directory = await mkdtemp(join(tmpdir(), 'service-account-'));
      directories.push(directory);
      await writeFile(join(directory, 'ca.crt'), ca.pem);
      await writeFile(join(directory, 'token'), [...tokens.keys()][0] ?? '');
      return { host: '127.0.0.1', port, directory };
    },
    stop,
    listen: () => listen(port),
    async close() {
      if (server.listening) await stop();
      await Promise.all(directories.map((directory) => rm(directory, { recursive: true })));
    },
  };
  return api;
}

interface Page {
  readonly version: number;
  readonly rest: readonly StoredObject[];
}

function leaseFault({ spec }: Json): string | undefined {
  const { leaseDurationSeconds: seconds, acquireTime, renewTime } = isRecord(spec) ? spec : ({} as Json);
  if (seconds !== undefined && !(Number(seconds) > 0)) {
    return `spec.leaseDurationSeconds: Invalid value: ${JSON.stringify(seconds)}: must be greater than 0`;
  }
  const noMicroTime = [acquireTime, renewTime].find((time) => typeof time === 'string' && !/\.\d{6}Z$/.test(time));
  return noMicroTime === undefined ? undefined : `parsing time ${JSON.stringify(noMicroTime)}: cannot parse`;
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new Refusal(413, 'RequestEntityTooLarge', 'limit is 3145728');
    chunks.push(chunk);
  }
  return chunks.length === 0 ? undefined : (JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown);
}

function sendRefusal(response: ServerResponse, { code, reason, message, causes }: Refusal): void {
  if (response.headersSent) return void response.destroy();
  sendJson(response, code, statusObject(code, reason, message, causes.length > 0 ? { causes } : {}));
}

function sendJson(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}
