// How is a broker killed between any two of its writes? A proxy before SPIRE's socket that counts them.
import type { IncomingHttpHeaders } from 'node:http';
import { createServer, connect, constants, type ServerHttp2Stream } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import type { Cleanup } from './cleanup.ts';

export interface SpireProxy {
  readonly socketPath: string;
  /** The writes that SPIRE has done, by method name, in order. */
  readonly writes: readonly string[];
  /** Once SPIRE has done this many writes from now on, `then` is called, and the answer to the last is never given. */
  loseAnswer(afterWrites: number, then: () => void): void;
  /** The same, but the answer is given, after `then` returned. */
  holdAnswer(afterWrites: number, then: () => void): void;
}

/** Methods that change something. */
const WRITE = /\/((?:Batch|Prepare|Activate|Taint|Revoke)\w+)$/;

export async function startSpireProxy(cleanup: Cleanup, folder: string, spireSocketPath: string): Promise<SpireProxy> {
  const socketPath = join(folder, 'proxy.sock');
  const upstream = connect('http://spire', { createConnection: () => connectSocket(spireSocketPath) });
  const writes: string[] = [];
  let lose: { left: number; readonly then: () => void; readonly answer: 'Lost' | 'Given' } | undefined;
  const server = createServer();
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const [, method] = WRITE.exec(String(headers[':path'])) ?? [];
    const call = upstream.request(headers, { endStream: false });
    stream.on('error', () => undefined);
    call.on('error', () => {
      stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    });
    stream.on('aborted', () => {
      call.close();
    });
    stream.pipe(call);
    const body: Buffer[] = [];
    let answerHeaders: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    call.on('response', (received: IncomingHttpHeaders) => {
      answerHeaders = received;
    });
    call.on('trailers', (received: IncomingHttpHeaders) => {
      trailers = received;
    });
    call.on('data', (chunk: Buffer) => body.push(chunk));
    call.on('end', () => {
      if (method !== undefined) {
        writes.push(method);
        if (lose !== undefined && --lose.left === 0) {
          const { then, answer } = lose;
          lose = undefined;
          then();
          if (answer === 'Lost') return;
        }
      }
      if (stream.destroyed) return;
      // A call that fails before it has an answer has its status in the headers, and nothing follows them.
      if (answerHeaders['grpc-status'] !== undefined) {
        stream.respond(answerHeaders, { endStream: true });
        return;
      }
      stream.respond(answerHeaders, { waitForTrailers: true });
      stream.on('wantTrailers', () => {
        stream.sendTrailers(trailers);
      });
      stream.end(Buffer.concat(body));
    });
  });
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => sessions.add(session));
  await new Promise<void>((resolve) => {
    server.listen(socketPath, resolve);
  });
  cleanup.add(() => {
    for (const session of sessions) session.destroy();
    upstream.destroy();
    server.close();
  });
  return {
    socketPath,
    writes,
    loseAnswer: (left, then) => {
      lose = { left, then, answer: 'Lost' };
    },
    holdAnswer: (left, then) => {
      lose = { left, then, answer: 'Given' };
    },
  };
}
