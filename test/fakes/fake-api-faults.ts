// How does an API server fail? What an answer can look like, a function each; a fault answers in the place of the server.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

/** Answers the request itself, or returns `Proceed` and lets the server do so. */
export type Fault = (request: IncomingMessage, response: ServerResponse) => 'Answered' | Promise<'Proceed'>;

const JSON_TYPE = { 'content-type': 'application/json' };

export function status(code: number, reason: string, message: string): Fault {
  return (_request, response) => {
    response.writeHead(code, JSON_TYPE).end(JSON.stringify(statusObject(code, reason, message)));
    return 'Answered';
  };
}

export function statusObject(code: number, reason: string, message: string, details: object = {}) {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, details, code };
}

/** The load balancer's own page. */
export const badGateway: Fault = (_request, response) => {
  response.writeHead(502, { 'content-type': 'text/html' }).end('<html><h1>502 Bad Gateway</h1></html>');
  return 'Answered';
};

/** Before a byte of the answer. */
export const reset: Fault = (_request, response) => {
  response.socket?.destroy();
  return 'Answered';
};

/** The connection stands, and nothing ever comes. */
export const neverAnswers: Fault = () => 'Answered';

/** A watch that begins and then stays without a byte. */
export const silentWatch: Fault = (_request, response) => {
  response.writeHead(200, JSON_TYPE).flushHeaders();
  return 'Answered';
};

/** A watch that is cut in the midst of its body. */
export const cutWatch: Fault = (_request, response) => {
  response.writeHead(200, JSON_TYPE).flushHeaders();
  setTimeout(() => response.socket?.destroy(), 10);
  return 'Answered';
};

/** A watch that the server ends in order after 50 ms. */
export const shortWatch: Fault = (_request, response) => {
  response.writeHead(200, JSON_TYPE).flushHeaders();
  setTimeout(() => response.end(), 50);
  return 'Answered';
};

/** A watch of exactly these lines, which then stays open. */
export function watchLines(...lines: readonly string[]): Fault {
  return (_request, response) => {
    response.writeHead(200, JSON_TYPE).write(lines.map((line) => `${line}\n`).join(''));
    return 'Answered';
  };
}

export const goneEvent: Fault = watchLines(
  JSON.stringify({ type: 'ERROR', object: statusObject(410, 'Expired', 'too old resource version: 1 (2)') }),
);

export const goneStatus: Fault = status(410, 'Expired', 'too old resource version: 1 (2)');

/** A body of so many bytes, in one piece a turn. */
export function hugeBody(bytes: number): Fault {
  return (_request, response) => {
    response.writeHead(200, JSON_TYPE);
    const piece = Buffer.alloc(1024 * 1024, 'x');
    const write = (left: number) => {
      if (left <= 0 || response.destroyed) return void response.end();
      response.write(piece.subarray(0, left), () => {
        write(left - piece.length);
      });
    };
    write(bytes);
    return 'Answered';
  };
}

export function notJson(text: string): Fault {
  return (_request, response) => {
    response.writeHead(200, JSON_TYPE).end(text);
    return 'Answered';
  };
}

export function slow(ms: number): Fault {
  return () => delay(ms, 'Proceed' as const);
}
