// How does one workload call another? mTLS with X.509-SVIDs, the peer's SPIFFE ID checked exactly. (X509-SVID §5)
import { constants } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import {
  connect,
  createServer,
  type DetailedPeerCertificate,
  type SecureContextOptions,
  type Server,
  type TLSSocket,
} from 'node:tls';
import type { X509Authority } from '../../bundle/bundle.ts';
import { toPem } from '../../bundle/certificate.ts';
import type { SpiffeId } from '../../bundle/spiffe-id.ts';
import { checkX509SvidLeaf } from '../../bundle/x509-svid.ts';
import type { WorkloadSvid } from './workload-context.ts';

export interface MtlsIdentity {
  readonly svid: WorkloadSvid;
  /** Those of the one trust domain that the peer is in. With none, nobody is trusted. */
  readonly peerAuthorities: readonly X509Authority[];
}

const CALL_TIMEOUT_MS = 5_000;
const MAX_ANSWER_CHARACTERS = 2_048;

/** Answers who it saw, and only to the one SPIFFE ID that it expects. */
export class MtlsServer {
  readonly #server: Server;
  readonly #sockets = new Set<TLSSocket>();

  constructor(expected: SpiffeId) {
    this.#server = createServer({ requestCert: true, rejectUnauthorized: true, handshakeTimeout: CALL_TIMEOUT_MS });
    // The caller meets the same failure, and counts it.
    this.#server.on('tlsClientError', () => undefined);
    this.#server.on('secureConnection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket)).on('error', () => undefined);
      const fault = identityFault(socket.getPeerCertificate(true), expected);
      if (fault === undefined) socket.end(greeting(expected));
      else socket.destroy();
    });
  }

  /** For every connection from now on. */
  use(identity: MtlsIdentity): void {
    this.#server.setSecureContext(contextOptions(identity));
  }

  /** On loopback; resolves to its port. */
  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host: '127.0.0.1', port: 0 }, () => {
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => {
        resolve();
      });
      for (const socket of this.#sockets) socket.destroy();
    });
  }
}

/** What is said after the handshake, as texts. */
export interface Exchange {
  /** Empty: the caller only listens. */
  readonly request: string;
  /** Whether what came so far is the answer. */
  readonly isAnswer: (text: string) => boolean;
}

export interface MtlsCall {
  readonly port: number;
  readonly caller: SpiffeId;
  readonly identity: MtlsIdentity;
  /** Who must answer. */
  readonly expected: SpiffeId;
  /** Undefined: as `MtlsServer` has it. */
  readonly exchange?: Exchange | undefined;
}

/** One fresh handshake, verified by both sides. Rejects with the reason when either refuses. */
export function callOverMtls(call: MtlsCall, signal: AbortSignal): Promise<void> {
  const { port, identity, expected, exchange = greetingTo(call.caller) } = call;
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: '127.0.0.1',
      port,
      ...contextOptions(identity),
      checkServerIdentity: (_host, certificate) => identityFault(certificate, expected),
    });
    let answer = '';
    const end = (failure: Error | undefined) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      socket.destroy();
      if (failure === undefined) resolve();
      else reject(failure);
    };
    const abort = () => {
      end(new Error('the demo ends'));
    };
    const timer = setTimeout(() => {
      end(new Error(`no answer within ${CALL_TIMEOUT_MS} ms`));
    }, CALL_TIMEOUT_MS);
    signal.addEventListener('abort', abort);
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      answer += text;
      // With TLS 1.3 the caller is done before the server has judged its certificate: only the answer proves both.
      if (exchange.isAnswer(answer)) end(undefined);
      else if (answer.length > MAX_ANSWER_CHARACTERS) end(new Error('the answer is too long'));
    });
    socket.on('end', () => {
      end(new Error('the connection ended without an answer'));
    });
    socket.on('error', end);
    socket.write(exchange.request);
    if (signal.aborted) abort();
  });
}

function greetingTo(caller: SpiffeId): Exchange {
  return { request: '', isAnswer: (text) => text === greeting(caller) };
}

function greeting(caller: SpiffeId): string {
  return `hello ${caller}\n`;
}

function contextOptions({ svid, peerAuthorities }: MtlsIdentity): SecureContextOptions {
  return {
    minVersion: 'TLSv1.3',
    key: svid.keyPem,
    cert: svid.chainPem,
    // An empty list trusts nobody; leaving it out would trust Node's public roots.
    ca: peerAuthorities.map(toPem),
    allowPartialTrustChain: true,
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

function identityFault({ raw }: Pick<DetailedPeerCertificate, 'raw'>, expected: SpiffeId): Error | undefined {
  try {
    const presented = checkX509SvidLeaf(raw);
    return presented === expected ? undefined : new Error(`the peer is ${presented}, not ${expected}`);
  } catch (error) {
    return error as Error;
  }
}
