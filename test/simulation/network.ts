// How does a simulated broker reach bundle endpoints? Over a network that loses, delays and cuts.
import type { BundleAnswer, BundleRequest, BundleSource } from '../../src/federation/ports.ts';
import { EndpointError, type EndpointErrorCode } from '../../src/bundle-endpoint/endpoint-error.ts';
import type { TrustDomain } from '../../src/bundle/trust-domain.ts';
import type { ClientSight } from './acknowledgements-model.ts';
import { documentOf, type Document } from './authority-pool.ts';
import type { ShutOut } from './endpoint-watch.ts';
import type { EndpointIdentity, SimulatedEndpoint } from './endpoint-model.ts';
import { never, type Process } from './process.ts';
import type { Chance } from './random.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What becomes of the next request to an endpoint. */
export type AnswerFault =
  | { readonly kind: 'ConnectionLost' }
  /** Authentic, but no bundle: a proxy's page, an empty set of keys, half a document. */
  | { readonly kind: 'Body'; readonly text: string }
  /** The answer was sent so much earlier, and others have overtaken it. */
  | { readonly kind: 'Late'; readonly byMs: number };

export interface NetworkParts {
  readonly time: VirtualTime;
  readonly chance: Chance;
  /** Those at one URL; a broker with two replicas has two. */
  readonly endpointsOf: (url: string) => readonly SimulatedEndpoint[];
  readonly ownerOf: (url: string) => TrustDomain | undefined;
  /** A peer could not verify an endpoint: its root is unknown to it. */
  readonly onShutOut: (sight: ShutOut) => void;
}

const TOTAL_TIMEOUT_MS = 10_000;
/** As the product's endpoint tells its broker of a request that it holds. */
const TELL_HELD_EVERY_MS = 10_000;

type Identify = () => EndpointIdentity | undefined;

/** One broker. */
interface NetworkUser {
  readonly identity: Identify;
  readonly onRequest: (request: BundleRequest) => void;
  readonly onAnswer: (request: BundleRequest) => void;
}

interface Client {
  readonly consumer: TrustDomain;
  readonly process: Process;
  /** What it shows of itself now. */
  readonly identity: Identify;
}

export class Network {
  readonly #parts: NetworkParts;
  /** `consumer → publisher`, of trust domains. */
  readonly #cut = new Set<string>();
  readonly faults = new Map<TrustDomain, AnswerFault[]>();
  slownessMs = 0;

  constructor(parts: NetworkParts) {
    this.#parts = parts;
  }

  cut(consumer: TrustDomain, publisher: TrustDomain): void {
    this.#cut.add(`${consumer} ${publisher}`);
  }

  heal(consumer: TrustDomain, publisher: TrustDomain): void {
    this.#cut.delete(`${consumer} ${publisher}`);
  }

  healAll(): void {
    this.#cut.clear();
    this.faults.clear();
  }

  /** As one broker sees it. */
  sourceOf(consumer: TrustDomain, process: Process, { identity, onRequest, onAnswer }: NetworkUser): BundleSource {
    return {
      fetch: (request, signal) => {
        if (signal?.aborted === true) return Promise.reject(cancelled());
        if (process.isAlive) onRequest(request);
        const fate = process.noteCall();
        if (fate !== 'Goes on') {
          process.kill();
          return never();
        }
        return this.#fetch({ consumer, process, identity }, request, signal).then((answer) => {
          onAnswer(request);
          return answer;
        });
      },
    };
  }

  /** As SPIRE's own poller asks: no certificate of its own, no conditions, and an answer at once or none. */
  look(consumer: TrustDomain, request: BundleRequest, nowMs: number): Document | EndpointErrorCode {
    const publisher = this.#parts.ownerOf(request.url);
    if (publisher === undefined || this.#cut.has(`${consumer} ${publisher}`)) return 'ConnectFailed';
    if (this.faults.get(publisher)?.shift() !== undefined) return 'ConnectionLost';
    const endpoint = this.#connect(consumer, request, nowMs);
    return typeof endpoint === 'string' ? endpoint : (endpoint.document() ?? 'StatusUnexpected');
  }

  #fetch(
    { consumer, process, identity }: Client,
    request: BundleRequest,
    signal: AbortSignal | undefined,
  ): Promise<BundleAnswer> {
    const { time, chance, ownerOf } = this.#parts;
    const publisher = ownerOf(request.url);
    const isCut = () => publisher === undefined || this.#cut.has(`${consumer} ${publisher}`);
    const fault = publisher === undefined ? undefined : this.faults.get(publisher)?.shift();
    return new Promise((resolve, reject) => {
      const fail = (code: EndpointErrorCode, message: string) => {
        process.reach(() => {
          reject(new EndpointError(code, `${request.url}: ${message}`));
        });
      };
      signal?.addEventListener('abort', () => {
        reject(cancelled());
      });
      const deliver = (answer: BundleAnswer) => {
        const delayMs = fault?.kind === 'Late' ? fault.byMs : chance.below(this.slownessMs);
        const arrive = () => {
          if (isCut()) fail('ConnectionLost', 'the connection was cut');
          else if (delayMs > TOTAL_TIMEOUT_MS) fail('DeadlineExceeded', 'no answer in time');
          else
            process.reach(() => {
              resolve(answer);
            });
        };
        if (delayMs < 1) arrive();
        else time.after(Math.min(delayMs, TOTAL_TIMEOUT_MS + 1), arrive);
      };
      if (isCut() || fault?.kind === 'ConnectionLost') {
        fail('ConnectFailed', 'no connection');
        return;
      }
      const endpoint = this.#connect(consumer, request, process.clock.now().getTime());
      if (typeof endpoint === 'string') {
        fail(endpoint, 'nobody listens, or the endpoint did not prove its identity');
        return;
      }
      const client = identity();
      const shown = client?.spiffeId && { ...client, spiffeId: client.spiffeId, appliedEtag: request.appliedEtag };
      if (shown !== undefined) void endpoint.acknowledgements?.note(shown);
      const document = fault?.kind === 'Body' ? documentOf(Buffer.from(fault.text)) : endpoint.document();
      if (document === undefined) fail('StatusUnexpected', 'status 503');
      else if (document.etag !== request.appliedEtag) deliver(answerOf(document));
      else if (request.waitSeconds === undefined || !endpoint.holds)
        deliver({ kind: 'NotModified', waitApplied: false });
      else this.#hold(endpoint, { request, shown, isClientAlive: () => process.isAlive, signal, deliver, fail });
    });
  }

  /** One of those that listen there; its TLS certificate is judged. */
  #connect(consumer: TrustDomain, request: BundleRequest, nowMs: number): SimulatedEndpoint | EndpointErrorCode {
    const { chance, endpointsOf, ownerOf, onShutOut } = this.#parts;
    const alive = endpointsOf(request.url).flatMap((endpoint) => {
      const identity = endpoint.identity();
      return identity === undefined ? [] : [{ endpoint, identity }];
    });
    const chosen = chance.pick(alive);
    if (chosen === undefined) return 'ConnectFailed';
    const objection = objectionTo(chosen.identity, request, nowMs);
    const publisher = ownerOf(request.url);
    if (objection === 'EndpointRootUnknown' && publisher !== undefined && request.trust.type === 'https_spiffe') {
      onShutOut({ consumer, publisher, anchors: request.trust.authorities, ...chosen });
    }
    return objection ?? chosen.endpoint;
  }

  /** Until the document changes, or the wait is over, or the connection breaks. */
  #hold(
    endpoint: SimulatedEndpoint,
    held: {
      readonly request: BundleRequest;
      readonly shown: ClientSight | undefined;
      readonly signal: AbortSignal | undefined;
      readonly deliver: (answer: BundleAnswer) => void;
      readonly isClientAlive: () => boolean;
      readonly fail: (code: EndpointErrorCode, message: string) => void;
    },
  ): void {
    const { request, shown, isClientAlive, signal, deliver, fail } = held;
    const end = () => {
      endpoint.waiting.delete(tell);
      cancel();
      const document = endpoint.document();
      if (endpoint.identity() === undefined) fail('ConnectionLost', 'the endpoint went away');
      else if (document === undefined || document.etag === request.appliedEtag) {
        deliver({ kind: 'NotModified', waitApplied: true });
      } else deliver(answerOf(document, { waitApplied: true }));
    };
    const tell = end;
    const cancel = this.#parts.time.after((request.waitSeconds ?? 0) * 1000, end);
    endpoint.waiting.add(tell);
    const { acknowledgements } = endpoint;
    const tellHeld = () => {
      if (!endpoint.waiting.has(tell) || !isClientAlive()) return;
      if (shown !== undefined) void acknowledgements?.note(shown);
      this.#parts.time.after(TELL_HELD_EVERY_MS, tellHeld);
    };
    if (acknowledgements !== undefined) this.#parts.time.after(TELL_HELD_EVERY_MS, tellHeld);
    signal?.addEventListener('abort', () => {
      endpoint.waiting.delete(tell);
      cancel();
    });
  }
}

function answerOf({ bytes, etag }: Document, { waitApplied } = { waitApplied: false }): BundleAnswer {
  return { kind: 'Document', body: bytes, etag, waitApplied };
}

function cancelled(): EndpointError {
  return new EndpointError('Cancelled', 'cancelled');
}

/** As the product's own TLS check decides, of which test/bundle-endpoint tells. */
function objectionTo(
  { spiffeId, signedBy, notAfterMs }: EndpointIdentity,
  { trust }: BundleRequest,
  nowMs: number,
): EndpointErrorCode | undefined {
  if (trust.type === 'https_web') return undefined;
  if (trust.authorities.length === 0) return 'NoAuthorities';
  if (!trust.authorities.some((root) => Buffer.compare(root, signedBy) === 0)) return 'EndpointRootUnknown';
  if (trust.endpointSpiffeId !== spiffeId) return 'EndpointIdWrong';
  return notAfterMs <= nowMs ? 'EndpointCertificateExpired' : undefined;
}
