// Which peers hold which of our bundles? Told by the requests of their brokers, for as long as each is held.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Acknowledgement, ServedBundle } from '../federation/acknowledgement.ts';
import { sleep, type Clock } from '../federation/clock.ts';
import type { PeerBrokers } from '../federation/peer-broker.ts';
import { ClientVerifier, type ClientRefusal } from './verify-client.ts';

export interface AcknowledgementsParts {
  readonly clock: Clock;
  /** The version of our bundle that an `If-None-Match` names, if it is known here. */
  readonly named: (ifNoneMatch: string | undefined) => ServedBundle | undefined;
  readonly onRefused: (reason: ClientRefusal) => void;
  /** A certificate could not be judged: `find` rejected, or by a fault of this program. */
  readonly onFault: (error: unknown) => void;
}

/** The newest request of a peer's broker. */
interface Request {
  readonly acknowledgement: Acknowledgement;
  /** Undefined as soon as it was answered or given up: nothing of a closed connection is kept. */
  socket: TLSSocket | undefined;
}

/** A request that is held, of a client that nothing could be said of yet: it may be declared before it asks again. */
interface Unknown {
  readonly socket: TLSSocket;
  readonly holds: ServedBundle | undefined;
}

const MAY_BE_KNOWN_LATER: ReadonlySet<ClientRefusal> = new Set(['PeerNotDeclared', 'NoAuthorities']);

/** A held request says the same for minutes: how often it is told that it still stands, and looked whether it counts. */
const TELL_HELD_EVERY_MS = 10_000;

export class Acknowledgements {
  readonly #parts: AcknowledgementsParts;
  readonly #newest = new Map<TrustDomain, Request>();
  /** As many as requests are held. */
  readonly #unknown = new Map<ServerResponse, Unknown>();
  #brokers: PeerBrokers | undefined;
  #verifier: ClientVerifier | undefined;

  constructor(parts: AcknowledgementsParts) {
    this.#parts = parts;
  }

  /** Before this, nobody is declared and every client is like any other. */
  tell(brokers: PeerBrokers): void {
    this.#brokers = brokers;
    this.#verifier = new ClientVerifier((trustDomain) => brokers.find(trustDomain));
  }

  /** Never throws and never waits: the answer does not depend on it. */
  readonly note = (request: IncomingMessage, response: ServerResponse): void => {
    const { socket } = request;
    try {
      // Most clients show nothing, and there is nothing to wait for then.
      if (!(socket instanceof TLSSocket) || this.#verifier?.claim(socket) === undefined) return;
      const holds = this.#parts.named(request.headers['if-none-match']);
      this.#judge(socket, holds, response).catch(this.#parts.onFault);
    } catch (error) {
      this.#parts.onFault(error);
    }
  };

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(this.#parts.clock, TELL_HELD_EVERY_MS, signal);
      await this.#tellHeld().catch(this.#parts.onFault);
      await this.#lookAtUnknown().catch(this.#parts.onFault);
    }
  }

  async #judge(socket: TLSSocket, holds: ServedBundle | undefined, response: ServerResponse): Promise<void> {
    const at = this.#parts.clock.now();
    const verdict = await this.#verifier?.verify(socket, at);
    if (verdict?.kind === 'Refused') {
      this.#parts.onRefused(verdict.reason);
      if (MAY_BE_KNOWN_LATER.has(verdict.reason)) this.#keepUnknown({ socket, holds }, response);
    }
    if (verdict?.kind === 'Broker') this.#noteBroker(verdict.trustDomain, { socket, holds, at }, response);
  }

  #noteBroker(
    trustDomain: TrustDomain,
    { socket, holds, at }: Unknown & { readonly at: Date },
    response: ServerResponse,
  ): void {
    const request: Request = { acknowledgement: { trustDomain, at, holds }, socket };
    if (response.closed) request.socket = undefined;
    else {
      response.once('close', () => {
        request.socket = undefined;
      });
    }
    const before = this.#newest.get(trustDomain);
    if (before !== undefined && before.acknowledgement.at > at) return;
    this.#newest.set(trustDomain, request);
    this.#brokers?.noteAcknowledged(request.acknowledgement);
  }

  #keepUnknown(unknown: Unknown, response: ServerResponse): void {
    if (response.closed) return;
    this.#unknown.set(response, unknown);
    response.once('close', () => this.#unknown.delete(response));
  }

  async #lookAtUnknown(): Promise<void> {
    for (const [response, unknown] of [...this.#unknown]) {
      const at = this.#parts.clock.now();
      const verdict = await this.#verifier?.verify(unknown.socket, at);
      if (verdict?.kind !== 'Broker' || !this.#unknown.delete(response)) continue;
      this.#noteBroker(verdict.trustDomain, { ...unknown, at }, response);
    }
  }

  async #tellHeld(): Promise<void> {
    for (const [trustDomain, request] of [...this.#newest]) {
      const { socket, acknowledgement } = request;
      if (socket === undefined) {
        this.#newest.delete(trustDomain);
        continue;
      }
      const at = this.#parts.clock.now();
      const verdict = await this.#verifier?.verify(socket, at);
      // Its bundle may have been taken away or replaced since, or a newer request may have come.
      if (verdict?.kind !== 'Broker' || this.#newest.get(trustDomain) !== request) continue;
      if (request.socket !== undefined) this.#brokers?.noteAcknowledged({ ...acknowledgement, at });
    }
  }
}
