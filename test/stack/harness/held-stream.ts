// Does one connection stay open, and carry bytes both ways, whatever happens around it?
import { connect as connectTcp, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import type { Cleanup } from './cleanup.ts';
import type { ClientCertificate } from './envoy-config.ts';

const EXCHANGE_EVERY_MS = 100;
const ANSWER_WITHIN_MS = 5_000;

export interface HeldStream {
  /** Bytes that came back; rejects with the reason when the connection has ended since. */
  exchange(): Promise<number>;
  /** Resolves when the connection is over, whoever ended it. */
  readonly ended: Promise<void>;
}

/** Sends back what it gets. Resolves to its port on 127.0.0.1. */
export async function startEcho(cleanup: Cleanup): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.once('close', () => sockets.delete(socket)).on('error', () => undefined));
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanup.add(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** To an echo behind this port, by TLS when there is a certificate. Resolves when the first byte is back. */
export async function holdStream(cleanup: Cleanup, port: number, certificate?: ClientCertificate): Promise<HeldStream> {
  const place = { host: '127.0.0.1', port };
  const socket =
    certificate === undefined
      ? connectTcp(place)
      : connectTls({ ...place, cert: certificate.chainPem, key: certificate.keyPem, rejectUnauthorized: false });
  cleanup.add(() => {
    socket.destroy();
  });
  let received = 0;
  let failure: Error | undefined;
  socket.on('data', (data: Buffer) => (received += data.length)).on('error', (error: Error) => (failure = error));
  const ended = once(socket, 'close').then(() => undefined);
  void ended.then(() => (failure ??= new Error(`the stream was closed after ${received} bytes`)));
  const exchange = async (): Promise<number> => {
    const before = received;
    const deadlineMs = performance.now() + ANSWER_WITHIN_MS;
    if (failure === undefined) socket.write('x');
    while (received === before) {
      if (failure !== undefined) throw failure;
      if (performance.now() > deadlineMs) throw new Error(`no answer on the stream within ${ANSWER_WITHIN_MS} ms`);
      await pause(5);
    }
    return received;
  };
  await exchange();
  const timer = setInterval(() => socket.write('x'), EXCHANGE_EVERY_MS);
  socket.once('close', () => {
    clearInterval(timer);
  });
  return { exchange, ended };
}
