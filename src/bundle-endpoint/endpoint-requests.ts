// Who answers this request? A connection of its own for each, to an endpoint that proved its identity on it. (SPIFFE
// Federation §5.2.1.4, §5.2.2.4)
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { createSecureContext, TLSSocket, type ConnectionOptions, type PeerCertificate } from 'node:tls';
import { fingerprint, type X509Authority } from '../bundle/bundle.ts';
import { readableCertificate } from '../bundle/certificate.ts';
import { remembered } from '../bundle/remembered.ts';
import type { Clock } from '../federation/clock.ts';
import type { EndpointTrust } from '../federation/ports.ts';
import type { TlsIdentity } from './bundle-listener.ts';
import { certificateChain, type ShownCertificate } from './certificate-chain.ts';
import { EndpointError } from './endpoint-error.ts';
import { endpointTlsOptions, MIN_TLS_VERSION } from './endpoint-tls.ts';
import { ProofMemory, type Proof } from './proof-memory.ts';

export interface EndpointRequest {
  readonly url: URL;
  readonly trust: EndpointTrust;
  /** What we show of ourselves to an endpoint that asks; undefined: nothing. */
  readonly identity: TlsIdentity | undefined;
  readonly headers: OutgoingHttpHeaders;
  /** Until TLS is up. */
  readonly connectTimeoutMs: number;
  readonly signal: AbortSignal;
}

export interface EndpointResponse {
  readonly response: IncomingMessage;
  /** By which the endpoint proved its identity: SHA-256, leaf first, its root last, the first eight. */
  readonly fingerprints: readonly string[];
}

type SpiffeTrust = Extract<EndpointTrust, { readonly type: 'https_spiffe' }>;

interface EndpointProof extends Proof {
  readonly fingerprints: readonly string[];
}

interface Check {
  readonly tls: ConnectionOptions;
  /** Called when TLS is up; what it throws ends the connection. */
  readonly fingerprints: (socket: Socket) => readonly string[];
}

const MAX_HEADER_BYTES = 8192;
/** Their fingerprints are evidence for people. */
const MAX_SHOWN_CERTIFICATES = 8;
/** A peer that vanished without a word is noticed while we wait for its answer. */
const KEEP_ALIVE_PROBE_MS = 30_000;

/**
 * OpenSSL alone judges certificates. A leaf of `https_spiffe` that it found good is known again by its fingerprint, for
 * as long as all the authorities are held that it went by and none of what it saw has ended; TLS proves on each
 * connection that the endpoint has its key. Any other leaf is judged anew, on a connection of its own.
 *
 * Measured: a TLS context with the authorities and a path through them is half of what a fetch costs (docs/benchmarks.md).
 */
export class EndpointRequests {
  readonly #clock: Clock;
  readonly #proofs = new ProofMemory<EndpointProof>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Rejects with EndpointError, or with what Node and OpenSSL say. */
  async send(request: EndpointRequest): Promise<EndpointResponse> {
    const { trust } = request;
    if (trust.type === 'https_spiffe' && this.#isKnown(trust)) {
      try {
        return await send(request, this.#recognition(trust, request.identity));
      } catch (error) {
        if (!(error instanceof LeafUnknown)) throw error;
      }
    }
    return send(request, this.#judgement(trust, request.identity));
  }

  #isKnown({ endpointSpiffeId, authorities }: SpiffeTrust): boolean {
    return this.#proofs.knows(endpointSpiffeId, authorities, this.#clock.now());
  }

  /** By OpenSSL. */
  #judgement(trust: EndpointTrust, identity: TlsIdentity | undefined): Check {
    const { checkServerIdentity, ...tls } = endpointTlsOptions(trust);
    let leaf: PeerCertificate | undefined;
    return {
      tls: {
        ...tls,
        ...(identity !== undefined && { key: identity.keyPem, cert: identity.chainPem }),
        // Node hands the whole chain over here; asking the connection for it again costs as much as the handshake's own.
        checkServerIdentity: (host, shown) => {
          leaf = shown;
          return checkServerIdentity(host, shown);
        },
      },
      fingerprints: () => {
        const chain = certificateChain(leaf, MAX_SHOWN_CERTIFICATES);
        const fingerprints = chain.map(({ raw }) => fingerprint(raw));
        if (trust.type === 'https_spiffe') this.#remember(trust, chain, fingerprints);
        return fingerprints;
      },
    };
  }

  /** By what OpenSSL found before. */
  #recognition(trust: SpiffeTrust, identity: TlsIdentity | undefined): Check {
    return {
      tls: { secureContext: contextOf(identity ?? ANONYMOUS), rejectUnauthorized: false },
      fingerprints: (socket) => {
        if (!(socket instanceof TLSSocket)) throw new LeafUnknown();
        const leaf = fingerprint(socket.getPeerCertificate().raw);
        const proof = this.#proofs.find(trust.endpointSpiffeId, leaf, trust.authorities, this.#clock.now());
        if (proof === undefined) throw new LeafUnknown();
        return proof.fingerprints;
      },
    };
  }

  #remember(trust: SpiffeTrust, chain: readonly ShownCertificate[], fingerprints: readonly string[]): void {
    const now = this.#clock.now();
    const [digest] = fingerprints;
    const notAfter = firstEnd(chain, trust.authorities, now);
    if (digest === undefined || notAfter === undefined) return;
    const authorities = trust.authorities.map(fingerprint);
    this.#proofs.note(trust.endpointSpiffeId, { digest, authorities, notAfter, fingerprints }, now);
  }
}

/** To whoever answers there: no identity is proved, so nothing may be believed for who said it. We show nothing of ourselves. */
export async function sendUnproved(request: Omit<EndpointRequest, 'trust' | 'identity'>): Promise<IncomingMessage> {
  const { response } = await send(request, { tls: UNPROVED, fingerprints: () => [] });
  return response;
}

const UNPROVED: ConnectionOptions = { minVersion: MIN_TLS_VERSION, rejectUnauthorized: false };

/** The endpoint showed a leaf that was not judged before: no failure, but the other way has to be taken. */
class LeafUnknown extends Error {}

const ANONYMOUS: Partial<TlsIdentity> = {};

/** Without authorities: an empty list keeps Node from reading the public ones. */
const contextOf = remembered(({ keyPem, chainPem }: Partial<TlsIdentity>) =>
  createSecureContext({ minVersion: MIN_TLS_VERSION, ca: [], key: keyPem, cert: chainPem }),
);

/**
 * When the first certificate ends that OpenSSL may have gone by: it need not have taken the path that Node tells, where
 * several lead to an authority. Undefined where that is not known of one.
 */
function firstEnd(
  chain: readonly ShownCertificate[],
  authorities: readonly X509Authority[],
  now: Date,
): Date | undefined {
  if (chain.length === MAX_SHOWN_CERTIFICATES) return undefined;
  const authorityEnds = authorities.map((der) => readableCertificate(der)?.notAfter.getTime() ?? Number.NaN);
  const firstMs = Math.min(
    ...chain.map(({ valid_to }) => Date.parse(valid_to)),
    // One that has ended already led nowhere. What is no number stays one in the answer.
    ...authorityEnds.filter((endMs) => !(endMs < now.getTime())),
  );
  return Number.isFinite(firstMs) ? new Date(firstMs) : undefined;
}

function send(
  request: Omit<EndpointRequest, 'trust' | 'identity'>,
  { tls, fingerprints }: Check,
): Promise<EndpointResponse> {
  const { url, headers, connectTimeoutMs, signal } = request;
  return new Promise((resolve, reject) => {
    let shown: readonly string[] = [];
    // No agent: it would resume a session, which skips both the chain and the identity.
    const call = httpsRequest(url, { ...tls, agent: false, signal, maxHeaderSize: MAX_HEADER_BYTES, headers });
    const connecting = setTimeout(() => {
      const message = `${url.href}: no TLS connection within ${connectTimeoutMs} ms`;
      call.destroy(new EndpointError('ConnectTimeout', message));
    }, connectTimeoutMs);
    call.on('socket', (socket) => {
      socket.setKeepAlive(true, KEEP_ALIVE_PROBE_MS);
      socket.once('secureConnect', () => {
        clearTimeout(connecting);
        try {
          shown = fingerprints(socket);
        } catch (error) {
          call.destroy(error as Error);
        }
      });
    });
    call.on('response', (response) => {
      resolve({ response, fingerprints: shown });
    });
    call.on('error', (error) => {
      clearTimeout(connecting);
      reject(error);
    });
    call.end();
  });
}
