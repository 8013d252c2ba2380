// What is known of one object's status, and when is it to be written? Timestamps alone at most once a minute.
import type { Clock } from '../federation/clock.ts';
import { backoffMs, type BackoffRange } from './backoff.ts';
import type { HandledRequests } from './annotation-requests.ts';
import type { DeclaredObject } from './declared-object.ts';
import type { KubeObject } from './kube-object.ts';
import type { ObjectReport } from './peer-report.ts';
import { peerTrustDomainStatusOf } from './peer-status.ts';
import { peerTrustDomainStatus, type PeerTrustDomainStatus } from './peer-trust-domain.ts';
import { statusDifference } from './status-difference.ts';

/** Between two writes that differ in little but their times. */
const MINOR_INTERVAL_MS = 60_000;
const RETRY: BackoffRange = { firstMs: 1_000, maxMs: 60_000 };

export interface StatusRowOptions {
  readonly clock: Clock;
  /** 0 ≤ random < 1. */
  readonly random: () => number;
  readonly identity: string;
  /** What annotations asked for and was done, which status remembers. */
  readonly handledOf: (object: KubeObject) => HandledRequests;
}

/** The resourceVersion that the watch had shown before our write, and the one that our write made. */
interface Write {
  readonly over: string | undefined;
  readonly version: string | undefined;
}

export class StatusRow {
  readonly #options: StatusRowOptions;
  #about: ObjectReport;
  /** As the object last came from the API server. */
  #present: PeerTrustDomainStatus | undefined;
  #written: (Write & { readonly status: PeerTrustDomainStatus }) | undefined;
  /** The leader before us may have written just before we saw the object. */
  #writtenAtMs: number;
  #failures = 0;
  #retryAtMs = 0;
  #givenUpAt: string | undefined;
  #dueAtMs: number | undefined;

  constructor(about: ObjectReport, options: StatusRowOptions) {
    this.#options = options;
    this.#about = about;
    this.#present = statusOf(about.declared);
    this.#writtenAtMs = this.#nowMs;
    this.#schedule();
  }

  get metadata() {
    return this.#about.declared.object.metadata;
  }

  /** Undefined: the object says what it should. */
  get dueAtMs(): number | undefined {
    return this.#dueAtMs;
  }

  update(about: ObjectReport): void {
    const { declared } = about;
    if (declared.object.metadata.resourceVersion !== this.metadata.resourceVersion) this.#present = statusOf(declared);
    this.#about = about;
    this.#schedule();
  }

  wished(): PeerTrustDomainStatus {
    const { clock, identity, handledOf } = this.#options;
    return peerTrustDomainStatusOf({
      ...this.#about,
      handled: handledOf(this.#about.declared.object),
      present: this.#basis,
      identity,
      now: clock.now(),
    });
  }

  /** The newest resourceVersion that is known: the one to write over. */
  get version(): string | undefined {
    return this.#unseen?.version ?? this.metadata.resourceVersion;
  }

  wrote(status: PeerTrustDomainStatus, write: Write): void {
    this.#written = { status, ...write };
    this.#writtenAtMs = this.#nowMs;
    this.#failures = 0;
    this.#schedule();
  }

  failed(): void {
    this.#failures += 1;
    this.#retryAtMs = this.#nowMs + backoffMs(RETRY, this.#failures, this.#options.random());
    this.#schedule();
  }

  /** The object is gone, is another one now, or was changed: what the watch shows next decides. */
  giveUp(resourceVersion: string | undefined): void {
    this.#givenUpAt = resourceVersion;
    this.#schedule();
  }

  #schedule(): void {
    const { resourceVersion } = this.metadata;
    const givenUp = this.#givenUpAt !== undefined && this.#givenUpAt === resourceVersion;
    const difference = givenUp ? 'None' : statusDifference(this.#basis, this.wished());
    const earliestMs = difference === 'Minor' ? this.#writtenAtMs + MINOR_INTERVAL_MS : 0;
    this.#dueAtMs = difference === 'None' ? undefined : Math.max(this.#retryAtMs, earliestMs);
  }

  /** The watch may not have shown yet what we wrote; what somebody else wrote over it is seen a minute later. */
  get #basis(): PeerTrustDomainStatus | undefined {
    if (this.#written === undefined) return this.#present;
    const recent = this.#nowMs < this.#writtenAtMs + MINOR_INTERVAL_MS;
    return recent || this.#unseen !== undefined ? this.#written.status : this.#present;
  }

  /** What we wrote, while the watch has shown nothing since. */
  get #unseen() {
    return this.#written?.over === this.metadata.resourceVersion ? this.#written : undefined;
  }

  get #nowMs(): number {
    return this.#options.clock.now().getTime();
  }
}

/** What does not fit the schema counts as no status: it is written anew. */
function statusOf({ object }: DeclaredObject): PeerTrustDomainStatus | undefined {
  return peerTrustDomainStatus.safeParse(object['status']).data;
}
