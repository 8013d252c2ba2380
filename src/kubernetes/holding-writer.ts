// How do all replicas learn what a peer holds, though its broker asks only one of them? By the status of its object.
import type { TrustDomain } from '../bundle/trust-domain.ts';
import type { Acknowledgement } from '../federation/acknowledgement.ts';
import type { Clock } from '../federation/clock.ts';
import type { ApiServer } from './api-server.ts';
import { peerInForce, type DeclaredObject } from './declared-object.ts';
import { isKubeError, KubeError, kubeErrorOfConnection } from './kube-error.ts';
import type { KubeObject } from './kube-object.ts';
import { HOLDING_FIELD_MANAGER, holdingOf, toldHolding } from './peer-holding.ts';
import { PEER_TRUST_DOMAIN } from './peer-trust-domain.ts';
import { Turns } from './turns.ts';

export interface HoldingWriterOptions {
  readonly api: Pick<ApiServer, 'applyStatus'>;
  readonly clock: Clock;
  /** Of this replica, as the status says it. */
  readonly identity: string;
  /** A holding could not be told; it is tried again. */
  readonly onError: (error: KubeError) => void;
}

/** A peer that still holds the same: so old may be when it was last seen. */
const SEEN_INTERVAL_MS = 5 * 60_000;
const RETRY_MS = 5_000;

/** Of one peer, as this replica has seen it. */
interface Row {
  readonly seen: Acknowledgement;
  readonly written: Acknowledgement | undefined;
  /** The version of the object that was changed before our write came. */
  readonly outdated: string | undefined;
}

export class HoldingWriter {
  readonly #options: HoldingWriterOptions;
  readonly #turns: Turns;
  readonly #rows = new Map<TrustDomain, Row>();
  #objects: ReadonlyMap<TrustDomain, KubeObject> = new Map();

  constructor(options: HoldingWriterOptions) {
    this.#options = options;
    this.#turns = new Turns(options.clock);
  }

  /** Of this replica alone; peers whose objects are gone are forgotten. */
  seen(): readonly Acknowledgement[] {
    return [...this.#rows.values()].map(({ seen }) => seen);
  }

  note(seen: Acknowledgement): void {
    const row = this.#rows.get(seen.trustDomain);
    this.#rows.set(seen.trustDomain, { written: row?.written, outdated: row?.outdated, seen });
    if (row?.seen.holds?.etag !== seen.holds?.etag || row === undefined) this.#turns.request();
  }

  update(objects: readonly DeclaredObject[]): void {
    const before = this.#objects;
    this.#objects = new Map(
      objects.flatMap((declared) => {
        const peer = declared.deleting ? undefined : peerInForce(declared);
        return peer === undefined ? [] : [[peer.trustDomain, declared.object]];
      }),
    );
    for (const trustDomain of before.keys()) if (!this.#objects.has(trustDomain)) this.#rows.delete(trustDomain);
    if (this.#due().length > 0) this.#turns.request();
  }

  /** Until the signal aborts; never rejects. */
  run(signal: AbortSignal): Promise<void> {
    return this.#turns.run(async () => {
      for (const trustDomain of this.#due()) {
        if (signal.aborted) return undefined;
        await this.#write(trustDomain, signal);
      }
      return this.#rows.size === 0 ? undefined : RETRY_MS;
    }, signal);
  }

  #due(): readonly TrustDomain[] {
    return [...this.#rows.keys()].filter((trustDomain) => this.#isDue(trustDomain));
  }

  /** Never over what another replica has seen later. */
  #isDue(trustDomain: TrustDomain): boolean {
    const object = this.#objects.get(trustDomain);
    const row = this.#rows.get(trustDomain);
    if (object === undefined || row === undefined) return false;
    if (row.outdated !== undefined && row.outdated === object.metadata.resourceVersion) return false;
    const told = newest(toldHolding(object), row.written);
    if (told === undefined) return true;
    const laterMs = row.seen.at.getTime() - told.at.getTime();
    return laterMs > 0 && (laterMs >= SEEN_INTERVAL_MS || row.seen.holds?.etag !== told.holds?.etag);
  }

  async #write(trustDomain: TrustDomain, signal: AbortSignal): Promise<void> {
    const { api, identity, onError } = this.#options;
    const object = this.#objects.get(trustDomain);
    const row = this.#rows.get(trustDomain);
    if (object === undefined || row === undefined) return;
    const { name, resourceVersion } = object.metadata;
    const metadata = { name, ...(resourceVersion !== undefined && { resourceVersion }) };
    const body = { metadata, status: { holding: holdingOf(row.seen, identity) } };
    const note = (news: Partial<Row>) => {
      const now = this.#rows.get(trustDomain);
      if (now !== undefined) this.#rows.set(trustDomain, { ...now, ...news });
    };
    try {
      await api.applyStatus(PEER_TRUST_DOMAIN, body, { signal, fieldManager: HOLDING_FIELD_MANAGER });
      note({ written: row.seen, outdated: resourceVersion });
    } catch (error) {
      if (signal.aborted) return;
      // What the watch shows next decides.
      if (isKubeError(error, 'KubeConflict') || isKubeError(error, 'KubeNotFound')) note({ outdated: resourceVersion });
      else onError(error instanceof KubeError ? error : kubeErrorOfConnection('tell what a peer holds', error));
    }
  }
}

function newest(a: Acknowledgement | undefined, b: Acknowledgement | undefined): Acknowledgement | undefined {
  return a === undefined || (b !== undefined && b.at > a.at) ? b : a;
}
