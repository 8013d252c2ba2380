// What does one peer publish? A loop a peer: ask, keep the answer, wait as the schedule says.
import { createHash } from 'node:crypto';
import { parseBundleDocument, type BundleDocumentLimits } from '../bundle/bundle-document.ts';
import { BundleError } from '../bundle/bundle-error.ts';
import { sharingAuthorities, type Bundle } from '../bundle/bundle.ts';
import type { ParsedBundleDocument } from '../bundle/bundle-document.ts';
import { firstContactBundle } from '../federation/first-contact.ts';
import { isCutByExpiry } from '../federation/freshness.ts';
import { chooseEndpointTrust, type EndpointTrustChoice } from '../federation/endpoint-trust.ts';
import type { Clock } from '../federation/clock.ts';
import type { FetchFact } from '../federation/facts.ts';
import type { BundleAnswer, BundleSource, CodedError } from '../federation/ports.ts';
import { nextFetchDelayMs, type RefreshLimits } from '../federation/refresh-schedule.ts';
import type { Peer } from '../federation/relationship.ts';
import { codedError } from './coded.ts';
import type { FactBoard } from './fact-board.ts';

export interface PeerGathererParts {
  readonly board: FactBoard;
  readonly source: BundleSource;
  readonly clock: Clock;
  readonly limits: RefreshLimits;
  /** Undefined: endpoints are not asked to hold their answers. */
  readonly longPollSeconds: number | undefined;
  readonly documentLimits: BundleDocumentLimits;
  /** 0 ≤ n < 1. */
  readonly random: () => number;
  /** The declared bundle for the first contact; undefined when none is declared, rejects when it cannot be read. */
  readonly readBootstrap: (peer: Peer) => Promise<Bundle | undefined>;
  /** Resolves after a pass that has seen every fact noted before the call. */
  readonly passed: () => Promise<void>;
  /** Whether SPIRE holds what a document of this peer said, and the mesh uses it where it is to. */
  readonly isApplied: (content: ParsedBundleDocument | BundleError) => boolean;
  readonly onFetch: (peer: Peer, result: string, seconds: number) => void;
}

/** Shorter than any interval of an endpoint that does not wait. */
const PAUSE_WORTH_ENDING_MS = 1_000;

type DocumentAnswer = Extract<BundleAnswer, { kind: 'Document' }>;

interface LoopState {
  failedAttempts: number;
  failingSince: Date | undefined;
  lastSuccessAt: Date | undefined;
  /** The endpoint holds its answers, or was not asked to yet. */
  waits: boolean;
  bodyDigest: string | undefined;
}

/** Fetches from one peer until it is stopped. */
export class PeerGatherer {
  readonly #peer: Peer;
  readonly #parts: PeerGathererParts;
  readonly #state: LoopState = {
    failedAttempts: 0,
    failingSince: undefined,
    lastSuccessAt: undefined,
    waits: true,
    bodyDigest: undefined,
  };
  /** Ends the fetch or the pause that is under way. */
  #wake: () => void = () => undefined;
  #wakeCount = 0;
  #stopped = false;
  #nextFetchAt: Date | undefined;
  #heldLast: Bundle | undefined;
  /** The request that is under way, and the bundle that was held when it was decided how to verify the endpoint. */
  #asking: { readonly verifiedBy: Bundle | undefined } | undefined;

  constructor(peer: Peer, parts: PeerGathererParts) {
    this.#peer = peer;
    this.#parts = parts;
  }

  /** Undefined while a fetch is under way. */
  get nextFetchAt(): Date | undefined {
    return this.#nextFetchAt;
  }

  /** Fetch now: ends the pause, and a waiting request too. */
  refresh(): void {
    this.#wakeCount += 1;
    this.#wake();
  }

  /**
   * What was fetched is applied only now. After the pause began: an endpoint that can wait is asked to. While the next
   * fetch waits for its turn: its endpoint is to be verified by what is held now.
   */
  applied(): void {
    const waitsNeedlessly = this.#nextFetchAt !== undefined && this.#delayMs() < PAUSE_WORTH_ENDING_MS;
    const held = this.#parts.board.heldBundle(this.#peer.trustDomain);
    if (waitsNeedlessly || (this.#asking !== undefined && this.#asking.verifiedBy !== held)) this.refresh();
  }

  /** Resolves after `stop`. */
  async run(): Promise<void> {
    while (!this.#stopped) {
      const wakeCount = this.#wakeCount;
      await this.#fetchUntilWoken();
      if (this.#wakeCount !== wakeCount) continue;
      const delayMs = this.#delayMs();
      this.#nextFetchAt = new Date(this.#parts.clock.now().getTime() + delayMs);
      await this.#pause(delayMs);
      this.#nextFetchAt = undefined;
    }
  }

  stop(): void {
    this.#stopped = true;
    this.refresh();
  }

  async #fetchUntilWoken(): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => {
      woken.abort();
    };
    await this.fetchOnce(woken.signal);
  }

  /** Without a signal: most peers are in their pause at any time, and a signal of each would take a kilobyte. */
  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#parts.clock.after(delayMs, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  /** One attempt: its answer or its failure becomes the peer's fact, unless the signal aborts first. */
  async fetchOnce(signal: AbortSignal): Promise<void> {
    const { clock, board, onFetch, passed } = this.#parts;
    const startedAtMs = clock.now().getTime();
    const ended = (result: string) => {
      onFetch(this.#peer, result, (clock.now().getTime() - startedAtMs) / 1000);
    };
    try {
      const askedToWait = this.#asksToWait();
      const answer = await this.#askVerifying(signal);
      ended(answer.kind);
      const before = board.fetchOf(this.#peer.trustDomain)?.document?.content;
      this.#noteAnswer(answer, askedToWait);
      const isNew = board.fetchOf(this.#peer.trustDomain)?.document?.content !== before;
      if (isNew) await passed();
    } catch (error) {
      if (signal.aborted) return;
      const failure = codedError(error);
      ended(failure.code);
      this.#noteFailure(failure);
    }
  }

  /** When no held root signed the endpoint's certificate, what an operator has declared since may say who did. */
  async #askVerifying(signal: AbortSignal): Promise<BundleAnswer> {
    const choice = await this.#chooseTrust({ endpointRootUnknown: false });
    try {
      return await this.#ask(choice, signal);
    } catch (error) {
      if (signal.aborted || codedError(error).code !== 'EndpointRootUnknown') throw error;
      const second = await this.#chooseTrust({ endpointRootUnknown: true });
      if (choice.source !== 'Held' || second.source !== 'Bootstrap') throw error;
      return await this.#ask(second, signal);
    } finally {
      this.#asking = undefined;
    }
  }

  async #chooseTrust({ endpointRootUnknown }: { readonly endpointRootUnknown: boolean }): Promise<EndpointTrustChoice> {
    const { board } = this.#parts;
    const bootstrap = await this.#bootstrap(endpointRootUnknown);
    this.#asking = { verifiedBy: board.heldBundle(this.#peer.trustDomain) };
    return chooseEndpointTrust({
      peer: this.#peer,
      held: (trustDomain) => board.heldBundle(trustDomain),
      bootstrap,
      endpointRootUnknown,
    });
  }

  /** Read only when it can matter, and then anew: an operator may just have put a newer one there. */
  async #bootstrap(endpointRootUnknown: boolean): Promise<Bundle | undefined> {
    const { board, readBootstrap } = this.#parts;
    const held = board.heldBundle(this.#peer.trustDomain);
    if (held !== undefined) this.#heldLast = held;
    if (held === undefined) {
      const begin = await firstContactBundle(this.#peer, readBootstrap);
      // A peer that was cut because it was silent comes back by what it had last.
      return this.#peer.policy.onExpired === 'Cut' ? (this.#heldLast ?? begin) : begin;
    }
    return endpointRootUnknown ? firstContactBundle(this.#peer, readBootstrap).catch(() => undefined) : undefined;
  }

  async #ask(choice: EndpointTrustChoice, signal: AbortSignal): Promise<BundleAnswer> {
    if (choice.source === 'None') throw new NothingToVerifyWith(choice.message);
    const { source, longPollSeconds } = this.#parts;
    const appliedEtag = this.#appliedEtag();
    return source.fetch(
      {
        url: this.#peer.bundleEndpointUrl,
        trust: choice.trust,
        ...(appliedEtag !== undefined && { appliedEtag }),
        ...(this.#asksToWait() && longPollSeconds !== undefined && { waitSeconds: longPollSeconds }),
      },
      signal,
    );
  }

  /**
   * Asked at each regular fetch, so that an endpoint that learns to wait is found out. After a failure an answer is
   * wanted at once: while one is held, the failure would seem to go on.
   */
  #asksToWait(): boolean {
    return (
      this.#parts.longPollSeconds !== undefined && this.#appliedEtag() !== undefined && this.#state.failedAttempts === 0
    );
  }

  #noteAnswer(answer: BundleAnswer, askedToWait: boolean): void {
    const { board, clock } = this.#parts;
    // An endpoint whose bundle has changed in between has nothing to wait for, so only "not modified" tells.
    if (answer.waitApplied) this.#state.waits = true;
    else if (askedToWait && answer.kind === 'NotModified') this.#state.waits = false;
    this.#state.failedAttempts = 0;
    this.#state.failingSince = undefined;
    this.#state.lastSuccessAt = clock.now();
    const before = board.fetchOf(this.#peer.trustDomain)?.document;
    const document = answer.kind === 'NotModified' ? before : this.#document(answer, before);
    board.noteFetched(this.#peer.trustDomain, {
      document,
      lastAttemptAt: clock.now(),
      lastSuccessAt: this.#state.lastSuccessAt,
      failure: undefined,
    });
  }

  /** The same bytes keep the content that was read from them: nothing is parsed twice, and nobody is woken. */
  #document({ body, etag, endpoint }: DocumentAnswer, before: FetchFact['document']): FetchFact['document'] {
    const digest = createHash('sha256').update(body).digest('hex');
    const same = before !== undefined && digest === this.#state.bodyDigest;
    this.#state.bodyDigest = digest;
    const content = same ? before.content : this.#parse(body);
    return { at: this.#parts.clock.now(), etag, content, ...(endpoint !== undefined && { endpoint }) };
  }

  #parse(body: Uint8Array): ParsedBundleDocument | BundleError {
    try {
      const { board, documentLimits } = this.#parts;
      const { trustDomain } = this.#peer;
      const document = parseBundleDocument(body, trustDomain, documentLimits);
      return { ...document, bundle: sharingAuthorities(document.bundle, board.heldBundle(trustDomain)) };
    } catch (error) {
      if (error instanceof BundleError) return error;
      throw error;
    }
  }

  #noteFailure({ code, message }: CodedError): void {
    const { board, clock } = this.#parts;
    const now = clock.now();
    this.#state.failedAttempts += 1;
    this.#state.failingSince ??= now;
    board.noteFetched(this.#peer.trustDomain, {
      document: board.fetchOf(this.#peer.trustDomain)?.document,
      lastAttemptAt: now,
      lastSuccessAt: this.#state.lastSuccessAt,
      failure: { reason: code, message, since: this.#state.failingSince, attempts: this.#state.failedAttempts },
    });
    // The same failure again is no news, but by now it may have lasted for too long.
    if (isCutByExpiry(this.#peer, board.fetchOf(this.#peer.trustDomain), now)) void this.#parts.passed();
  }

  /** Only a document that was applied may be named to the endpoint, and only such a peer is worth waiting for. */
  #appliedEtag(): string | undefined {
    const document = this.#parts.board.fetchOf(this.#peer.trustDomain)?.document;
    return document !== undefined && this.#parts.isApplied(document.content) ? document.etag : undefined;
  }

  #delayMs(): number {
    const { board, limits, longPollSeconds, random } = this.#parts;
    return nextFetchDelayMs({
      limits,
      hintSeconds: board.heldBundle(this.#peer.trustDomain)?.refreshHintSeconds,
      waits: this.#state.waits && longPollSeconds !== undefined && this.#appliedEtag() !== undefined,
      failedAttempts: this.#state.failedAttempts,
      random: random(),
    });
  }
}

class NothingToVerifyWith extends Error implements CodedError {
  readonly code = 'NoAuthorities';
}
