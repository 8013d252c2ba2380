// How is our bundle endpoint reached? One HTTPS server a profile; the certificate is exchanged without dropping a
// connection. (SPIFFE Federation §5: TLS of Mozilla's intermediate set; a client certificate is asked for, never demanded)
import { constants } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { MIN_TLS_VERSION } from './endpoint-tls.ts';

/** What our endpoint proves itself with, and our broker where it asks others. Kept in memory only. */
export interface TlsIdentity {
  readonly keyPem: string;
  /** Leaf first. */
  readonly chainPem: string;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

const MAX_CONNECTIONS = 4096;
const MAX_HEADER_BYTES = 8192;
const HEADERS_TIMEOUT_MS = 5_000;
/** Of reading a request, not of answering it: answers may be held. */
const REQUEST_TIMEOUT_MS = 10_000;
const HANDSHAKE_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_TIMEOUT_MS = 5_000;
const MAX_REQUESTS_PER_CONNECTION = 1_000;
const CLOSE_IDLE_EVERY_MS = 100;

/** Mozilla's intermediate configuration, version 5.7: TLS 1.3 as it is, of TLS 1.2 only ECDHE with AEAD. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/** Of the same configuration. */
const GROUPS = 'X25519:prime256v1:secp384r1';
/**
 * For clients that take nothing else, as SPIRE with `require_pq_kem`. It comes last: what it would keep from those who
 * record it today is public, and it costs both sides a tenth of a connection.
 */
const POST_QUANTUM_GROUP = 'X25519MLKEM768';

export class BundleListener {
  readonly #tls = tlsOptions();
  readonly #server: Server;
  #open: Promise<ListenAddress> | undefined;

  constructor(handle: RequestListener) {
    this.#server = createServer(
      {
        ...this.#tls,
        requestCert: true,
        // Whom a certificate proves is judged by the bundle of that peer, and all others are served as well.
        rejectUnauthorized: false,
        maxHeaderSize: MAX_HEADER_BYTES,
        headersTimeout: HEADERS_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
        keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
        connectionsCheckingInterval: 1_000,
      },
      handle,
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.maxRequestsPerSocket = MAX_REQUESTS_PER_CONNECTION;
    // A client that breaks its handshake or connection off is not our fault.
    this.#server.on('tlsClientError', () => undefined);
  }

  /**
   * Presents this identity on every new connection; open ones go on. Throws when key and certificate do not belong
   * together, and then goes on with the identity before.
   */
  setIdentity({ keyPem, chainPem }: TlsIdentity): void {
    // This replaces all options, so each is given again.
    this.#server.setSecureContext({ ...this.#tls, key: keyPem, cert: chainPem });
  }

  /** Resolves to the address it listens on; port 0 takes any free one. Rejects when it cannot be had. */
  listen(address: ListenAddress): Promise<ListenAddress> {
    this.#open ??= new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(address, () => {
        this.#server.off('error', reject);
        const { address: host, port } = this.#server.address() as AddressInfo;
        resolve({ host, port });
      });
    });
    return this.#open;
  }

  /** Lets answers that are being written end, for `deadlineMs` at most. Held answers are for the publication to end. */
  async close(deadlineMs: number): Promise<void> {
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => {
      const idle = setInterval(() => {
        this.#server.closeIdleConnections();
      }, CLOSE_IDLE_EVERY_MS);
      const deadline = setTimeout(() => {
        this.#server.closeAllConnections();
      }, deadlineMs);
      this.#server.close(() => {
        clearInterval(idle);
        clearTimeout(deadline);
        resolve();
      });
      this.#server.closeIdleConnections();
    });
  }
}

function tlsOptions(): SecureContextOptions {
  return {
    // Without it Node would load the public roots, to verify clients with.
    ca: [],
    minVersion: MIN_TLS_VERSION,
    ciphers: CIPHERS,
    ecdhCurve: knownGroups(),
    // Groups are chosen in our order with it. A client whose processor has no AES has its ChaCha20 all the same.
    honorCipherOrder: true,
    // A client that resumes would not see a new certificate.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_PRIORITIZE_CHACHA,
    sessionIdContext: 'spire-federation-broker',
  };
}

/** OpenSSL before 3.5 refuses a list with a name that it does not know. */
function knownGroups(): string {
  const all = `${GROUPS}:${POST_QUANTUM_GROUP}`;
  try {
    createSecureContext({ ca: [], ecdhCurve: all });
    return all;
  } catch {
    return GROUPS;
  }
}
